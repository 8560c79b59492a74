import type { ChildProcessWithoutNullStreams } from 'node:child_process';
import { errorCode, FairleadError } from '../../lib/errors.ts';
import { type ExecResult, exec, spawnProgram } from '../../lib/exec.ts';
import type { Family } from '../plan.ts';
import { familyWord, TABLE } from './structure.ts';

/** A program and its first arguments: `['nft']`, or `['ip', 'netns', 'exec', NAME, 'nft']`. */
export type NftCommand = readonly [program: string, ...args: string[]];

/** The `nft` program, with its complaints as errors of ours: `nft-missing`, `mesh-not-permitted`, `nft-failed`. */
export class Nft {
  readonly #program: string;
  readonly #args: readonly string[];

  constructor([program, ...args]: NftCommand) {
    this.#program = program;
    this.#args = args;
  }

  /** Carries out a script as one transaction. */
  async run(script: string): Promise<void> {
    const result = await this.#exec(['-f', '-'], script);
    if (result.exitCode !== 0) throw failure(result);
  }

  /** The table of one family as text, with numbers where names would need files in /etc; undefined without one. */
  async list(family: Family): Promise<string | undefined> {
    const result = await this.#exec(['-y', '-p', 'list', 'table', familyWord(family), TABLE]);
    if (result.exitCode === 0) return result.stdout;
    if (result.stderr.includes('No such file or directory')) return undefined;
    throw failure(result);
  }

  /** Which of our tables there are, as `table ip fairlead`. */
  async ownTables(): Promise<readonly string[]> {
    const result = await this.#exec(['list', 'tables']);
    if (result.exitCode !== 0) throw failure(result);
    const ours = ([4, 6] as const).map((family) => `table ${familyWord(family)} ${TABLE}`);
    return result.stdout.split('\n').filter((line) => ours.includes(line));
  }

  /** Starts `nft monitor`, which tells of every transaction in this network namespace. */
  monitor(): ChildProcessWithoutNullStreams {
    return spawnProgram(this.#program, [...this.#args, 'monitor']);
  }

  async #exec(args: readonly string[], stdin = ''): Promise<ExecResult> {
    try {
      return await exec(this.#program, [...this.#args, ...args], { stdin });
    } catch (cause) {
      if (errorCode(cause) !== 'exec-missing') throw cause;
      throw new FairleadError('nft-missing', 'the mesh needs nftables, and the program nft is not installed', {
        remedy: 'install the package nftables, or set mesh.backend to "off"',
        cause,
      });
    }
  }
}

function failure({ exitCode, stderr }: ExecResult): FairleadError {
  if (stderr.includes('Operation not permitted')) {
    return new FairleadError('mesh-not-permitted', 'the kernel does not let this process change its rules', {
      remedy: 'run the agent as root or with CAP_NET_ADMIN, or set mesh.backend to "off"',
    });
  }
  const said = stderr.trim().split('\n').slice(0, 3).join('; ').slice(0, 500);
  return new FairleadError('nft-failed', `nft exited with ${exitCode}: ${said}`);
}
