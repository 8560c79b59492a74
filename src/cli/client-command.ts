import type { Command } from 'commander';
import type { ListenAddress } from '../config/address.ts';
import type { Clock } from '../lib/clock.ts';
import { AdminClient } from './client.ts';
import { type ConfigOptions, readConfig } from './config-options.ts';
import type { Terminal } from './terminal.ts';

/** What the commands that talk to an agent work with. */
export interface ClientContext {
  readonly terminal: Terminal;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly clock: Clock;
}

/** What `clientOptions` leaves in a command's options. */
export interface ClientOptions {
  readonly admin?: string;
  readonly token?: string;
}

const DEFAULT_URL = 'http://127.0.0.1:7470';

/** Gives a command the options that say which agent it asks. */
export const clientOptions = (command: Command): Command =>
  command
    .option('--admin <url>', `the agent, http(s):// or unix:// (env: FAIRLEAD_ADMIN, default: ${DEFAULT_URL})`)
    .option('--token <token>', 'its admin.token (better in the environment, as FAIRLEAD_ADMIN_TOKEN)');

/** The agent a command's options, and the environment, point at. Throws `usage`. */
export function adminClient({ admin, token }: ClientOptions, { environment }: ClientContext): AdminClient {
  return new AdminClient({
    url: admin ?? (environment.FAIRLEAD_ADMIN || DEFAULT_URL),
    token: token ?? environment.FAIRLEAD_ADMIN_TOKEN ?? '',
  });
}

/**
 * The same for a command that also has `configOptions`: where nothing says which agent, it is the one that runs with
 * the configuration, if one is given. Throws `usage`, and `ConfigError`.
 */
export async function configuredAdminClient(
  options: ClientOptions & ConfigOptions,
  context: ClientContext,
): Promise<AdminClient> {
  const { environment } = context;
  if (options.config === undefined && options.set.length === 0) return adminClient(options, context);
  const { admin } = await readConfig(options, environment);
  // The token is that agent's alone: no other gets to see it.
  if ((options.admin ?? environment.FAIRLEAD_ADMIN ?? '') !== '') return adminClient(options, context);
  return new AdminClient({ url: urlOf(admin.listen), token: options.token ?? admin.token });
}

/** Who listens on every address is reached on the loopback. */
function urlOf(listen: ListenAddress): string {
  if (listen.kind === 'unix') return `unix://${encodeURI(listen.path)}`;
  const { address, port } = listen;
  if (address === '0.0.0.0') return `http://127.0.0.1:${port}`;
  if (address === '::') return `http://[::1]:${port}`;
  return `http://${address.includes(':') ? `[${address}]` : address}:${port}`;
}
