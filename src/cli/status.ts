import type { Command } from 'commander';
import { type StatusJson, statusJson } from '../admin/json.ts';
import { adminClient, type ClientContext, type ClientOptions, clientOptions } from './client-command.ts';
import { ago, type Cell, formatFields } from './format.ts';

/** `fairlead status`: the agent on one screen. */
export function register(program: Command, context: ClientContext): void {
  const command = program
    .command('status')
    .description('show the agent on one screen: node, registry, mesh, counts, warnings')
    .option('--json', 'as JSON');
  clientOptions(command).action(async ({ json, ...options }: ClientOptions & { readonly json?: boolean }) => {
    const client = adminClient(options, context);
    const body = await client.get('/v1/status');
    const status = client.decode(statusJson, body);
    const { terminal, clock } = context;
    if (json) terminal.printJson(body);
    else terminal.print(formatFields(statusFields(status, clock.now()), terminal.hasColour));
  });
}

function statusFields(status: StatusJson, now: number): readonly (readonly [string, Cell])[] {
  const { registry, mesh, notReady, warnings } = status;
  const connected: Cell = registry.connected
    ? { text: `${registry.kind}, connected, last sync ${ago(registry.lastSync, now)}`, colour: undefined }
    : { text: `${registry.kind}, not connected, last sync ${ago(registry.lastSync, now)}`, colour: 'red' };
  const synced: Cell = mesh.inSync
    ? { text: `${mesh.backend}, in sync, last applied ${ago(mesh.lastApplied, now)}`, colour: undefined }
    : { text: `${mesh.backend}, not in sync, last applied ${ago(mesh.lastApplied, now)}`, colour: 'red' };
  return [
    ['Node', `${status.node}, fairlead ${status.version}`],
    ['Ready', notReady.length === 0 ? { text: 'yes', colour: 'green' } : { text: 'no', colour: 'red' }],
    ...notReady.map(({ part, reason }): [string, Cell] => ['', `${part}: ${reason}`]),
    ['Registry', connected],
    ['Mesh', mesh.backend === 'off' ? 'off' : synced],
    ['Services', String(status.services)],
    ['Endpoints', String(status.endpoints)],
    ['Warnings', warnings.length === 0 ? 'none' : { text: String(warnings.length), colour: 'yellow' }],
    ...warnings.map(({ subject, message }): [string, Cell] => ['', `${subject}: ${message}`]),
  ];
}
