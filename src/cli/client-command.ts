import type { Command } from 'commander';
import type { Clock } from '../lib/clock.ts';
import { AdminClient } from './client.ts';
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
