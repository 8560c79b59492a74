#!/usr/bin/env node
import { CommanderError } from 'commander';
import { exitCodeOf, exitCodes } from './cli/exit-code.ts';
import { newerNode } from './cli/newer-node.ts';
import { createProgram } from './cli/program.ts';
import type { StopReason } from './cli/runtime.ts';
import { Terminal } from './cli/terminal.ts';
import { systemClock } from './lib/clock.ts';
import { describeError, errorCode } from './lib/errors.ts';
import { runInstead } from './lib/exec.ts';
import type { Logger } from './lib/logger.ts';

/** The first SIGTERM or SIGINT stops in good order; with the handlers gone a second one ends the process at once. */
function takeOver(onTerminate: StopReason, log: Logger): AbortSignal {
  const stop = new AbortController();
  process.once('SIGTERM', () => stop.abort(onTerminate));
  process.once('SIGINT', () => stop.abort(onTerminate));
  process.once('SIGUSR2', () => stop.abort('leave' satisfies StopReason));
  const logFault = (error: unknown) => log.error({ err: error }, 'unexpected fault, the agent ends');
  process.prependListener('uncaughtException', logFault);
  process.prependListener('unhandledRejection', logFault);
  return stop.signal;
}

/** A fault nobody expected: its stack is what a bug report needs. */
function crash(error: unknown): void {
  process.stderr.write(`fairlead: ${error instanceof Error ? error.stack : String(error)}\n`);
  process.exit(exitCodes.failed);
}

process.on('uncaughtException', crash);
process.on('unhandledRejection', crash);
// `fairlead services | head` has read enough: no fault.
process.stdout.on('error', (error) => {
  if (errorCode(error) === 'EPIPE') process.exit(exitCodes.done);
  crash(error);
});

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

/** Ends the process when its output is taken: what goes to a socket, unlike a pipe or a file, is written later. */
async function exit(code: number): Promise<void> {
  const streams = [process.stdout, process.stderr];
  await Promise.all(streams.map((stream) => new Promise<unknown>((resolve) => stream.write('', resolve))));
  process.exit(code);
}

try {
  const newer = newerNode(process.versions.node);
  if (newer !== undefined) process.exit(await runInstead(newer, process.argv.slice(1)));
  await program.parseAsync();
  await exit(exitCodes.done);
} catch (error) {
  // The command line's own errors are already told.
  if (!(error instanceof CommanderError)) process.stderr.write(`fairlead: ${describeError(error)}\n`);
  await exit(exitCodeOf(error));
}
