import { describeError, errorCode } from '../../lib/errors.ts';
import { exec } from '../../lib/exec.ts';
import { formatDuration } from '../../model/duration.ts';
import { printable } from '../../model/names.ts';
import type { CheckResult } from '../machine.ts';

/** Runs a command inside a container; rejects where it could not be run. */
export type ExecInContainer = (
  containerId: string,
  command: readonly string[],
  timeoutMs: number,
) => Promise<{ readonly exitCode: number; readonly output: string }>;

export interface ExecProbe {
  readonly command: readonly string[];
  /** On this host without one. */
  readonly containerId?: string;
  readonly warnOn1?: true;
  readonly timeoutMs: number;
}

/** The exit code decides as in a Docker HEALTHCHECK: 0 passes, any other fails; `warnOn1` makes 1 a warning. */
export async function probeExec(
  { command, containerId, timeoutMs, warnOn1 }: ExecProbe,
  execInContainer: ExecInContainer,
  signal: AbortSignal,
): Promise<CheckResult> {
  const [program, ...args] = command;
  if (program === undefined) return { kind: 'fail', reason: 'no command to run' };
  try {
    const { exitCode } =
      containerId === undefined
        ? await exec(program, args, { timeoutMs, signal })
        : await execInContainer(containerId, command, timeoutMs);
    if (exitCode === 0) return { kind: 'pass', reason: '' };
    const warns = exitCode === 1 && warnOn1 === true;
    return { kind: warns ? 'warn' : 'fail', reason: `exit code ${exitCode} from ${printable(program)}` };
  } catch (error) {
    if (errorCode(error) === 'exec-timeout')
      return { kind: 'fail', reason: `timeout after ${formatDuration(timeoutMs)}` };
    return { kind: 'fail', reason: describeError(error).slice(0, MAX_REASON) };
  }
}

/** A reason travels to every node with its row: what another program said is cut to a line. */
const MAX_REASON = 200;
