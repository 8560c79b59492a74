import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { constants } from 'node:os';
import { FairleadError } from './errors.ts';

export interface ExecOptions {
  readonly stdin?: string | Buffer;
  /** The program is killed after this; default 30 s. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
  /** What is kept of stdout, bytes; the rest is an error. Default 256 MiB. */
  readonly maxOutput?: number;
}

export interface ExecResult {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
  readonly pid: number;
}

/** Where the system keeps its administration tools; a service manager's PATH may leave `sbin` out. */
const PATH = [process.env.PATH ?? '', '/usr/sbin', '/sbin', '/usr/bin', '/bin'].join(':');

/**
 * The only way this project starts a program: an argument vector, never a shell; input on stdin.
 * Resolves with whatever exit code; throws `exec-missing`, `exec-timeout`, or `exec-failed` where it could not run.
 */
export async function exec(program: string, args: readonly string[], options: ExecOptions = {}): Promise<ExecResult> {
  const { stdin, timeoutMs = 30_000, signal, maxOutput = 256 * 1024 * 1024 } = options;
  if (signal?.aborted) throw new FairleadError('exec-aborted', `${program} was not started`);
  return await new Promise<ExecResult>((resolve, reject) => {
    const child = spawnProgram(program, args);
    const out: Buffer[] = [];
    const err: Buffer[] = [];
    let size = 0;
    let failure: FairleadError | undefined;
    const stop = (error: FairleadError) => {
      failure ??= error;
      child.kill('SIGKILL');
    };
    const timer = setTimeout(
      () => stop(new FairleadError('exec-timeout', `${program} did not finish within ${timeoutMs} ms`)),
      timeoutMs,
    );
    const onAbort = () => stop(new FairleadError('exec-aborted', `${program} was stopped`));
    signal?.addEventListener('abort', onAbort, { once: true });
    child.stdout.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size > maxOutput) stop(new FairleadError('exec-output', `${program} printed more than ${maxOutput} bytes`));
      else out.push(chunk);
    });
    child.stderr.on('data', (chunk: Buffer) => {
      if (err.length < 64) err.push(chunk);
    });
    child.on('error', (cause) => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
      const missing = 'code' in cause && cause.code === 'ENOENT';
      reject(
        missing
          ? new FairleadError('exec-missing', `${program} is not installed`, { cause })
          : new FairleadError('exec-failed', `${program} could not be started`, { cause }),
      );
    });
    child.on('close', (code) => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
      if (failure !== undefined) reject(failure);
      else
        resolve({
          exitCode: code ?? 128,
          stdout: Buffer.concat(out).toString(),
          stderr: Buffer.concat(err).toString(),
          pid: child.pid ?? 0,
        });
    });
    // A program that exits before it has read its input breaks the pipe; its exit code tells the story.
    child.stdin.on('error', () => {});
    child.stdin.end(stdin);
  });
}

/** As `exec`, but a non-zero exit is an error that shows what the program said. */
export async function execOk(program: string, args: readonly string[], options: ExecOptions = {}): Promise<ExecResult> {
  const result = await exec(program, args, options);
  if (result.exitCode !== 0) {
    const said = result.stderr.trim().split('\n').slice(0, 5).join('; ');
    throw new FairleadError('exec-exit', `${program} ${args.join(' ')} exited with ${result.exitCode}: ${said}`);
  }
  return result;
}

/** A program that goes on running (a monitor, a supervised child); the caller owns and ends it. */
export function spawnProgram(program: string, args: readonly string[]): ChildProcessWithoutNullStreams {
  return spawn(program, [...args], { stdio: ['pipe', 'pipe', 'pipe'], env: { ...process.env, PATH, LC_ALL: 'C' } });
}

/**
 * Runs a program in this one's place: it has our standard streams and gets our signals. Resolves with its exit code,
 * 128 + n where signal n ended it, as a shell tells it.
 */
export async function runInstead(program: string, args: readonly string[]): Promise<number> {
  const child = spawn(program, [...args], { stdio: 'inherit' });
  const forward = (signal: NodeJS.Signals) => child.kill(signal);
  for (const signal of FORWARDED) process.on(signal, forward);
  try {
    const [code, signal] = (await once(child, 'exit')) as [number | null, NodeJS.Signals | null];
    return code ?? 128 + (signal === null ? 0 : constants.signals[signal]);
  } finally {
    for (const signal of FORWARDED) process.off(signal, forward);
  }
}

const FORWARDED: readonly NodeJS.Signals[] = ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGUSR2'];
