import type { Command } from 'commander';
import { type ConfigOptions, configOptions, readConfig } from './config-options.ts';
import type { Runtime } from './runtime.ts';

interface AgentFlags extends ConfigOptions {
  readonly demo: boolean;
  readonly leave: boolean;
}

/** `fairlead agent`: runs the agent in the foreground until it is told to stop. */
export function register(program: Command, runtime: Runtime): void {
  const command = program
    .command('agent')
    .description('run the agent in the foreground; SIGTERM and SIGINT stop it, SIGUSR2 makes it leave')
    .option('--demo', 'also run three small HTTP servers as the service hello', false)
    .option('--leave', 'on SIGTERM and SIGINT drain and deregister before stopping, as SIGUSR2 does', false);
  configOptions(command).action(async ({ demo, leave, ...options }: AgentFlags) => {
    const config = await readConfig(options, runtime.environment);
    const { createLogger } = await import('../log.ts');
    const log = await createLogger(config.log);
    const signal = runtime.takeOver(leave ? 'leave' : 'stop', log);
    await runtime.runAgent(config, { demo, signal, log });
  });
}
