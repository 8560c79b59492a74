import type { Command } from 'commander';
import type { Config } from '../config/schema.ts';

/** What `configOptions` leaves in a command's options. */
export interface ConfigOptions {
  readonly config?: string;
  readonly set: readonly string[];
}

const collect = (value: string, before: readonly string[]): readonly string[] => [...before, value];

/** Gives a command the options that say which configuration it works with. */
export const configOptions = (command: Command): Command =>
  command
    .option('-c, --config <file>', 'configuration file (YAML)')
    .option('--set <key=value>', 'one option, such as dns.domain=corp.internal; may be repeated', collect, []);

/** The configuration a command's options, and the environment, ask for. Throws `ConfigError`. */
export async function readConfig(
  { config, set }: ConfigOptions,
  environment: Readonly<Record<string, string | undefined>>,
): Promise<Config> {
  // Loaded here: the client commands need none of it, and start faster without.
  const { loadConfig } = await import('../config/load.ts');
  return await loadConfig({ ...(config === undefined ? {} : { file: config }), environment, set });
}
