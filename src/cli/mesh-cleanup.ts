import type { Command } from 'commander';
import { type ConfigOptions, configOptions, readConfig } from './config-options.ts';
import type { Runtime } from './runtime.ts';

/** `fairlead mesh cleanup`: removes everything fairlead ever added to this host's network; needs no agent. */
export function register(mesh: Command, runtime: Runtime): void {
  const command = mesh
    .command('cleanup')
    .description('remove everything fairlead ever added to this host; needs no running agent');
  configOptions(command).action(async (options: ConfigOptions) => {
    const removed = await runtime.cleanupMesh(await readConfig(options, runtime.environment));
    runtime.terminal.print(...(removed.length === 0 ? ['nothing to remove'] : removed));
  });
}
