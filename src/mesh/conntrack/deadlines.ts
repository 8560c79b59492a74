import type { Clock } from '../../lib/clock.ts';
import { describeError } from '../../lib/errors.ts';
import type { Logger } from '../../lib/logger.ts';
import type { EndpointId, ServiceKey } from '../../model/service.ts';
import type { Service } from '../../model/table.ts';
import { drainedFlows, type StaleFlows } from './stale.ts';

export interface DrainDeadlinesOptions {
  readonly clock: Clock;
  readonly log: Logger;
  /** Removes the flows of endpoints whose drain has ended. */
  readonly onExpired: (flows: readonly StaleFlows[]) => Promise<unknown>;
}

interface Drain {
  /** On the monotonic clock. */
  readonly deadline: number;
  readonly flows: readonly StaleFlows[];
  expired: boolean;
}

/** Ends what flows a draining endpoint still has, `drainMs` after it was first seen draining; once. */
export class DrainDeadlines {
  readonly #options: DrainDeadlinesOptions;
  readonly #drains = new Map<ServiceKey, Map<EndpointId, Drain>>();
  #wake: (() => void) | undefined;

  constructor(options: DrainDeadlinesOptions) {
    this.#options = options;
  }

  /**
   * Tells the present state of one service, `undefined` when it is gone. May be told the same again: a deadline once
   * set stays. An endpoint that stops draining has none any more.
   */
  update(key: ServiceKey, service: Service | undefined): void {
    const known = this.#drains.get(key);
    const draining = service?.endpoints.filter(({ state }) => state === 'draining') ?? [];
    if (service === undefined || draining.length === 0) {
      this.#drains.delete(key);
      return;
    }
    const now = this.#options.clock.monotonic();
    const drains = new Map(
      draining.map((endpoint) => {
        const { deadline, expired } = known?.get(endpoint.id) ?? { deadline: now + service.drainMs, expired: false };
        return [endpoint.id, { deadline, expired, flows: drainedFlows(service, endpoint) }];
      }),
    );
    this.#drains.set(key, drains);
    this.#wake?.();
  }

  /** Waits for deadlines until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, log, onExpired } = this.#options;
    while (!signal.aborted) {
      const due = this.#takeDue(clock.monotonic());
      if (due.length === 0) {
        await this.#nextDeadline(signal);
        continue;
      }
      try {
        await onExpired(due.flatMap(({ flows }) => flows));
      } catch (error) {
        log.error({ error: describeError(error) }, 'cannot end the flows of drained endpoints');
      }
    }
  }

  #takeDue(now: number): readonly Drain[] {
    const due = this.#pending().filter(({ deadline }) => deadline <= now);
    for (const drain of due) drain.expired = true;
    return due;
  }

  #pending(): readonly Drain[] {
    return [...this.#drains.values()].flatMap((drains) => [...drains.values()].filter(({ expired }) => !expired));
  }

  /** Resolves at the earliest deadline, when there is news, or on abort. */
  async #nextDeadline(signal: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    const stop = new AbortController();
    const news = new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
    const earliest = Math.min(...this.#pending().map(({ deadline }) => deadline), clock.monotonic() + LONGEST_SLEEP_MS);
    await Promise.race([news, clock.sleep(earliest - clock.monotonic(), AbortSignal.any([signal, stop.signal]))]);
    this.#wake = undefined;
    stop.abort();
  }
}

/** Timers of Node hold no more than 2³¹ − 1 ms. */
const LONGEST_SLEEP_MS = 2 ** 31 - 1;
