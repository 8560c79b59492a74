import type { Clock } from '../lib/clock.ts';
import type { Logger } from '../lib/logger.ts';
import { formatDuration } from '../model/duration.ts';
import type { Health, Workload } from '../model/service.ts';
import { advance, type CheckResult, type CheckState, toHealth, unknown } from './machine.ts';
import type { HealthMetrics } from './metrics.ts';
import type { RunProbe } from './probes/probe.ts';
import { Schedule } from './schedule.ts';
import { type CheckTarget, checkTarget, sameTarget } from './target.ts';

export interface HealthCheckerOptions {
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: HealthMetrics;
  readonly probe: RunProbe;
  /** Told of each change; `eventAt` is when its cause was known, monotonic milliseconds. */
  readonly onChange: (localId: string, health: Health, eventAt: number) => void;
  /** Probes under way at once; default 64. */
  readonly concurrency?: number;
  readonly random?: () => number;
}

interface Check {
  readonly localId: string;
  readonly target: CheckTarget;
  /** Replaced or gone: what is still scheduled or under way is void. */
  stopped: boolean;
  /** Aborts the probe under way. */
  inFlight: AbortController | undefined;
  state: CheckState;
  health: Health;
}

/** A new check is first asked within this time: soon, but not all of them in one instant. */
const FIRST_WITHIN_MS = 1000;

/** How far an interval is stretched or shortened, so that checks do not march in step. */
const JITTER = 0.1;

/** What a timer takes. */
const MAX_SLEEP_MS = 2 ** 31 - 1;

/** Runs the active checks of this node's workloads. All timing is on the monotonic clock. */
export class HealthChecker {
  readonly #options: HealthCheckerOptions;
  readonly #concurrency: number;
  readonly #random: () => number;
  readonly #checks = new Map<string, Check>();
  readonly #schedule = new Schedule<Check>();
  readonly #running = new Map<Check, Promise<void>>();
  #wake: (() => void) | undefined;
  /** Until when the loop sleeps, unless woken; infinite while all places are taken. */
  #wakeAt = Number.POSITIVE_INFINITY;

  constructor(options: HealthCheckerOptions) {
    this.#options = options;
    this.#concurrency = options.concurrency ?? 64;
    this.#random = options.random ?? Math.random;
  }

  /**
   * Takes the workloads as they are now. A check whose question and target are the same goes on as it was; one whose
   * target changed begins anew, and `onChange` is told so at once.
   */
  update(workloads: Iterable<Workload>): void {
    const wanted = new Set<string>();
    for (const workload of workloads) {
      const target = checkTarget(workload);
      if (target === undefined) continue;
      const { localId } = workload;
      wanted.add(localId);
      const before = this.#checks.get(localId);
      if (before !== undefined && sameTarget(before.target, target)) continue;
      if (before !== undefined) stop(before);
      this.#start(localId, target);
      if (before !== undefined) this.#options.onChange(localId, toHealth(unknown), this.#options.clock.monotonic());
    }
    for (const [localId, check] of this.#checks) {
      if (wanted.has(localId)) continue;
      stop(check);
      this.#checks.delete(localId);
    }
    this.#wakeIfEarlier();
  }

  /** What is known of a workload's check: `not checked yet` before its first result, undefined without a check. */
  health(localId: string): Health | undefined {
    return this.#checks.get(localId)?.health;
  }

  /** Runs until the signal aborts, then ends the probes under way. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    const onAbort = () => this.#wake?.();
    signal.addEventListener('abort', onAbort, { once: true });
    while (!signal.aborted) {
      const now = clock.monotonic();
      while (this.#running.size < this.#concurrency) {
        const check = this.#schedule.take(now);
        if (check === undefined) break;
        if (!check.stopped) this.#running.set(check, this.#runOnce(check));
      }
      await this.#idle();
    }
    signal.removeEventListener('abort', onAbort);
    for (const check of this.#running.keys()) stop(check);
    await Promise.all(this.#running.values());
  }

  #start(localId: string, target: CheckTarget): void {
    const health = toHealth(unknown);
    const check: Check = { localId, target, stopped: false, inFlight: undefined, state: unknown, health };
    this.#checks.set(localId, check);
    const within = Math.min(target.check.intervalMs, FIRST_WITHIN_MS);
    this.#schedule.add(this.#options.clock.monotonic() + this.#random() * within, check);
  }

  /** Waits until a check is due and may run, or until woken. */
  async #idle(): Promise<void> {
    const { clock } = this.#options;
    this.#wakeAt = this.#running.size < this.#concurrency ? this.#schedule.nextAt : Number.POSITIVE_INFINITY;
    const waitMs = this.#wakeAt - clock.monotonic();
    if (waitMs <= 0) return;
    const woken = new AbortController();
    this.#wake = () => woken.abort();
    await clock.sleep(Math.min(waitMs, MAX_SLEEP_MS), woken.signal);
    this.#wake = undefined;
  }

  #wakeIfEarlier(): void {
    if (this.#running.size < this.#concurrency && this.#schedule.nextAt < this.#wakeAt) this.#wake?.();
  }

  async #runOnce(check: Check): Promise<void> {
    const { clock, metrics } = this.#options;
    const startedAt = clock.monotonic();
    const result = await this.#ask(check);
    this.#running.delete(check);
    if (!check.stopped) {
      metrics.checks.inc({ result: result.kind });
      // The first interval is drawn from its whole length: checks that began together spread over it.
      const stretch = check.state.kind === 'unknown' ? this.#random() : 1 + (2 * this.#random() - 1) * JITTER;
      const nextAt = startedAt + check.target.check.intervalMs * stretch;
      this.#schedule.add(Math.max(nextAt, clock.monotonic()), check);
      this.#take(check, result);
    }
    this.#wakeIfEarlier();
  }

  /** One probe, over when its time is, whatever the probe does: a target that hangs holds its place no longer. */
  async #ask(check: Check): Promise<CheckResult> {
    const { clock, probe } = this.#options;
    const { target } = check;
    const { timeoutMs } = target.check;
    const inFlight = new AbortController();
    check.inFlight = inFlight;
    const timeout = clock
      .sleep(timeoutMs, inFlight.signal)
      .then((): CheckResult => ({ kind: 'fail', reason: `timeout after ${formatDuration(timeoutMs)}` }));
    const result = await Promise.race([timeout, probe(target, inFlight.signal)]);
    check.inFlight = undefined;
    inFlight.abort();
    return result;
  }

  #take(check: Check, result: CheckResult): void {
    const { clock, log, onChange } = this.#options;
    check.state = advance(check.state, result, check.target.check);
    const before = check.health;
    const after = toHealth(check.state);
    if (after.state === before.state && after.reason === before.reason) return;
    check.health = after;
    const fields = { endpoint: check.localId, state: after.state, reason: after.reason, was: before.state };
    if (after.state === 'passing') log.info(fields, 'health check passes');
    else log.warn(fields, 'health check does not pass');
    onChange(check.localId, after, clock.monotonic());
  }
}

function stop(check: Check): void {
  check.stopped = true;
  check.inFlight?.abort();
}
