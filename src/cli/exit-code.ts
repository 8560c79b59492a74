import { CommanderError } from 'commander';
import { errorCode } from '../lib/errors.ts';

/** What the process exits with (contract: The command). */
export const exitCodes = { done: 0, failed: 1, usage: 2, unreachable: 3 } as const;

/** What was asked for is wrong: as this command sees it, or as the agent it asked does. */
const USAGE_ERRORS: ReadonlySet<string | undefined> = new Set([
  'config',
  'usage',
  'bad-request',
  'dns-name',
  'dns-type',
]);

/** The exit code that tells scripts what kind of error a command ended with. */
export function exitCodeOf(error: unknown): number {
  // Help and version, when asked for, end a command with an error that is none.
  if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.done : exitCodes.usage;
  const code = errorCode(error);
  if (USAGE_ERRORS.has(code)) return exitCodes.usage;
  return code === 'agent-unreachable' ? exitCodes.unreachable : exitCodes.failed;
}
