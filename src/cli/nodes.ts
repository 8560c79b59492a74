import type { Command } from 'commander';
import { z } from 'zod';
import { type NodeJson, nodeJson } from '../admin/json.ts';
import { adminClient, type ClientContext, type ClientOptions, clientOptions } from './client-command.ts';
import { type Cell, formatTable } from './format.ts';

/** `fairlead nodes`: the cluster's nodes and their health. */
export function register(program: Command, context: ClientContext): void {
  const command = program
    .command('nodes')
    .description("list the cluster's nodes and their health")
    .option('--json', 'as JSON');
  clientOptions(command).action(async ({ json, ...options }: ClientOptions & { readonly json?: boolean }) => {
    const client = adminClient(options, context);
    const body = await client.get('/v1/nodes');
    const nodes = client.decode(z.array(nodeJson).readonly(), body);
    const { terminal } = context;
    if (json) terminal.printJson(body);
    else terminal.print(nodesTable(nodes, terminal.hasColour));
  });
}

function nodesTable(nodes: readonly NodeJson[], hasColour: boolean): string {
  if (nodes.length === 0) return 'no nodes';
  const rows = nodes.map((node): readonly Cell[] => [
    node.name,
    node.address,
    node.zone ?? '-',
    { text: node.state, colour: node.state === 'passing' ? 'green' : 'red' },
    node.version,
    node.revision,
  ]);
  return formatTable({ head: ['NODE', 'ADDRESS', 'ZONE', 'STATE', 'VERSION', 'REVISION'], rows }, hasColour);
}
