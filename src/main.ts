#!/usr/bin/env node
import { newerNode } from './cli/newer-node.ts';
import type { StopReason } from './cli/runtime.ts';
import { systemClock } from './lib/clock.ts';
import { describeError, errorCode } from './lib/errors.ts';
import { runInstead } from './lib/exec.ts';
import type { Logger } from './lib/logger.ts';

const DONE = 0;
const FAILED = 1;

/** The first SIGTERM or SIGINT stops in good order; with the handlers gone a second one ends the process at once. */
function takeOver(onTerminate: StopReason, log: Logger): AbortSignal {
  const stop = new AbortController();
  process.once('SIGTERM', () => stop.abort(onTerminate));
  process.once('SIGINT', () => stop.abort(onTerminate));
  process.once('SIGUSR2', () => stop.abort('leave' satisfies StopReason));
  // What the agent prints is for whoever looks on; it does not end for want of a reader or of space.
  process.stdout.removeAllListeners('error').on('error', () => {});
  const logFault = (error: unknown) => log.error({ err: error }, 'unexpected fault, the agent ends');
  process.prependListener('uncaughtException', logFault);
  process.prependListener('unhandledRejection', logFault);
  return stop.signal;
}

/** A fault nobody expected: its stack is what a bug report needs. */
function crash(error: unknown): void {
  process.stderr.write(`fairlead: ${error instanceof Error ? error.stack : String(error)}\n`);
  process.exit(FAILED);
}

process.on('uncaughtException', crash);
process.on('unhandledRejection', crash);
// `fairlead services | head` has read enough: no fault.
process.stdout.on('error', (error) => {
  if (errorCode(error) === 'EPIPE') process.exit(DONE);
  crash(error);
});

/** Ends the process when its output is taken: what goes to a socket, unlike a pipe or a file, is written later. */
async function exit(code: number): Promise<void> {
  const streams = [process.stdout, process.stderr];
  await Promise.all(streams.map((stream) => new Promise<unknown>((resolve) => stream.write('', resolve))));
  process.exit(code);
}

/** Carries out the command line; resolves with what to exit with. */
async function main(): Promise<number> {
  const newer = newerNode(process.versions.node);
  if (newer !== undefined) return await runInstead(newer, process.argv.slice(1));
  // Not before: an older Node cannot even load them.
  const { CommanderError } = await import('commander');
  const { exitCodeOf } = await import('./cli/exit-code.ts');
  const { createProgram } = await import('./cli/program.ts');
  const { Terminal } = await import('./cli/terminal.ts');
  const program = createProgram({
    environment: process.env,
    terminal: new Terminal({ stdout: process.stdout, stderr: process.stderr, environment: process.env }),
    clock: systemClock,
    takeOver,
    runAgent: async (config, options) => {
      const { runAgent } = await import('./agent.ts');
      await runAgent(config, options);
    },
    cleanupMesh: async (config) => {
      const { cleanupMesh } = await import('./agent.ts');
      return await cleanupMesh(config);
    },
  });
  try {
    await program.parseAsync();
    return DONE;
  } catch (error) {
    // The command line's own errors are already told.
    if (!(error instanceof CommanderError)) process.stderr.write(`fairlead: ${describeError(error)}\n`);
    return exitCodeOf(error);
  }
}

try {
  await exit(await main());
} catch (error) {
  process.stderr.write(`fairlead: ${describeError(error)}\n`);
  process.exit(FAILED);
}
