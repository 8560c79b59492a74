import { describeError } from '../../lib/errors.ts';
import type { CheckResult } from '../machine.ts';
import type { CheckTarget } from '../target.ts';
import { type ExecInContainer, probeExec } from './exec.ts';
import { probeHttp } from './http.ts';
import { probeTcp } from './tcp.ts';

/** Asks a target once. Ends soon after the signal aborts, whatever the target does. */
export type RunProbe = (target: CheckTarget, signal: AbortSignal) => Promise<CheckResult>;

/** The probes as they are outside of tests. Never rejects: what goes wrong is a failed check. */
export const createProbe =
  (execInContainer: ExecInContainer): RunProbe =>
  async ({ check: { probe, timeoutMs }, address, port, containerId }, signal) => {
    if (probe.kind === 'exec') {
      return await probeExec(
        { ...probe, timeoutMs, ...(containerId === undefined ? {} : { containerId }) },
        execInContainer,
        signal,
      );
    }
    if (port === undefined) return { kind: 'fail', reason: 'the endpoint has no port to check' };
    try {
      if (probe.kind === 'tcp') return await probeTcp({ address, port }, signal);
      return await probeHttp({ address, port, path: probe.path }, signal);
    } catch (error) {
      // A path that may not stand in a request line is refused before anything is sent.
      return { kind: 'fail', reason: describeError(error) };
    }
  };
