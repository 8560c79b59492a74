import { describe, type SuiteFactory } from 'vitest';
import { exec } from '../../src/lib/exec.ts';

export interface Needs {
  readonly root?: boolean;
  readonly commands?: readonly string[];
  /** Anything else this machine lacks, found out by the caller; undefined when it has it. */
  readonly lacks?: string | undefined;
}

/** What of it this machine does not have, for people; undefined when it has everything. */
export async function lacking({ root = false, commands = [], lacks }: Needs): Promise<string | undefined> {
  if (root && process.getuid?.() !== 0) return 'needs root';
  for (const command of commands) {
    const found = await exec('which', [command]).then(
      ({ exitCode }) => exitCode === 0,
      () => false,
    );
    if (!found) return `needs ${command}`;
  }
  return lacks;
}

/**
 * `describe` for suites that need more than Node: `const suite = await requires({ root: true, commands: ['nft'] })`,
 * then `suite('…', () => {…})`. Where something is missing they are skipped with the reason in their name; in CI, which
 * promises to have everything, that is an error instead.
 */
export async function requires(needs: Needs): Promise<(name: string, tests: SuiteFactory) => void> {
  const reason = await lacking(needs);
  if (reason === undefined) return (name, tests) => void describe(name, tests);
  if (['true', '1'].includes(process.env.CI ?? '')) throw new Error(`this machine ${reason}`);
  return (name, tests) => void describe.skip(`${name} [${reason}]`, tests);
}
