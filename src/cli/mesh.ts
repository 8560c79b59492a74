import type { Command } from 'commander';
import { checkJson, planJson } from '../admin/json.ts';
import { FairleadError } from '../lib/errors.ts';
import { type ClientContext, type ClientOptions, clientOptions, configuredAdminClient } from './client-command.ts';
import { type ConfigOptions, configOptions } from './config-options.ts';
import { counted, printable } from './format.ts';

type MeshOptions = ClientOptions & ConfigOptions;

/** `fairlead mesh plan | check | repair`: the rules in the kernel, by a running agent. */
export function register(mesh: Command, context: ClientContext): void {
  const { terminal } = context;
  meshOptions(mesh.command('plan'))
    .description('print the ruleset the agent would apply')
    .action(async (options: MeshOptions) => {
      const client = await configuredAdminClient(options, context);
      const { plan } = client.decode(planJson, await client.get('/v1/mesh/plan'));
      terminal.print(...plan.trimEnd().split('\n').map(printablePlan));
    });
  meshOptions(mesh.command('check'))
    .description('compare the ruleset with the kernel; exit 1 when they differ')
    .action(async (options: MeshOptions) => {
      const client = await configuredAdminClient(options, context);
      const { differences } = client.decode(checkJson, await client.get('/v1/mesh/check'));
      if (differences.length === 0) return terminal.print('in sync');
      terminal.print(...differences.map(printable));
      const message = `the kernel differs in ${counted(differences.length, 'place')}`;
      throw new FairleadError('mesh-differs', message, { remedy: 'run `fairlead mesh repair`' });
    });
  meshOptions(mesh.command('repair'))
    .description('apply the whole ruleset again')
    .action(async (options: MeshOptions) => {
      const client = await configuredAdminClient(options, context);
      await client.post('/v1/mesh/repair');
      terminal.print('repaired');
    });
}

const meshOptions = (command: Command): Command => clientOptions(configOptions(command));

/** Tabs indent rulesets, and do no harm. */
const printablePlan = (line: string): string => line.split('\t').map(printable).join('\t');
