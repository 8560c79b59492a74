import type { Clock } from '../../lib/clock.ts';

export interface CoalescerOptions {
  readonly clock: Clock;
  /** Between two emissions of changes that can wait. */
  readonly intervalMs: number;
  /** Gets the receipt of the earliest event since the last emission; absent for a periodic look. */
  readonly emit: (eventAt: number | undefined) => void;
}

/** Emits changes at once where they are rare or urgent, and gathers them where they come in bursts. */
export class Coalescer {
  readonly #options: CoalescerOptions;
  #emittedAt = Number.NEGATIVE_INFINITY;
  #eventAt: number | undefined;
  /** Told apart by identity: a timer that comes late must not emit for the wait after its own. */
  #wait: symbol | undefined;

  constructor(options: CoalescerOptions) {
    this.#options = options;
  }

  /** Emits now, with everything that waits. */
  now(eventAt: number | undefined): void {
    const earliest = Math.min(this.#eventAt ?? Number.POSITIVE_INFINITY, eventAt ?? Number.POSITIVE_INFINITY);
    this.#wait = undefined;
    this.#eventAt = undefined;
    this.#emittedAt = this.#options.clock.monotonic();
    this.#options.emit(Number.isFinite(earliest) ? earliest : undefined);
  }

  /** Emits within the interval. */
  async soon(eventAt: number | undefined, signal: AbortSignal): Promise<void> {
    const { clock, intervalMs } = this.#options;
    const restMs = this.#emittedAt + intervalMs - clock.monotonic();
    if (restMs <= 0) return this.now(eventAt);
    if (eventAt !== undefined) this.#eventAt = Math.min(this.#eventAt ?? eventAt, eventAt);
    if (this.#wait !== undefined) return;
    const wait = Symbol('wait');
    this.#wait = wait;
    await clock.sleep(restMs, signal);
    if (this.#wait === wait && !signal.aborted) this.now(undefined);
  }
}
