import { PassThrough } from 'node:stream';
import { exitCodeOf } from '../../src/cli/exit-code.ts';
import { createProgram } from '../../src/cli/program.ts';
import { Terminal } from '../../src/cli/terminal.ts';
import type { Clock } from '../../src/lib/clock.ts';
import { describeError } from '../../src/lib/errors.ts';
import { ManualClock } from './clock.ts';

export interface CliOptions {
  readonly environment?: Readonly<Record<string, string>>;
  readonly isTTY?: boolean;
  readonly clock?: Clock;
  /** Called after everything that is printed. */
  readonly onOutput?: (stdout: string) => void;
}

export interface CliResult {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a command line as src/main.ts does, in this process. */
export async function runCli(args: readonly string[], options: CliOptions = {}): Promise<CliResult> {
  const { environment = {}, isTTY = false, clock = new ManualClock(), onOutput } = options;
  const [out, err] = ['', ''];
  const result = { stdout: out, stderr: err };
  const collect = (stream: 'stdout' | 'stderr') =>
    new PassThrough().setEncoding('utf8').on('data', (chunk: string) => {
      result[stream] += chunk;
      onOutput?.(result.stdout);
    });
  const stdout = Object.assign(collect('stdout'), { isTTY });
  const stderr = collect('stderr');
  const unused = () => {
    throw new Error('no client command needs this');
  };
  const program = createProgram({
    environment,
    clock,
    terminal: new Terminal({ stdout, stderr, environment }),
    takeOver: unused,
    runAgent: unused,
    cleanupMesh: unused,
  });
  for (const command of [program, ...program.commands]) {
    command.configureOutput({ writeOut: (text) => stdout.write(text), writeErr: (text) => stderr.write(text) });
  }
  let exitCode = 0;
  try {
    await program.parseAsync(args, { from: 'user' });
  } catch (error) {
    exitCode = exitCodeOf(error);
    stderr.write(`${describeError(error)}\n`);
  }
  return { exitCode, ...result };
}
