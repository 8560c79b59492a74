import type { Command } from 'commander';
import { type ConfigOptions, configOptions, readConfig } from './config-options.ts';
import type { Runtime } from './runtime.ts';

/** `fairlead check-config`: every error of a configuration at once, or that it has none. */
export function register(program: Command, runtime: Runtime): void {
  const command = program.command('check-config').description('check a configuration and print every error at once');
  configOptions(command).action(async (options: ConfigOptions) => {
    await readConfig(options, runtime.environment);
    runtime.terminal.print(`${options.config ?? 'the configuration'} is valid`);
  });
}
