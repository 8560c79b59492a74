import { Backoff } from './backoff.ts';
import type { Clock } from './clock.ts';

export interface ReconcilerOptions {
  readonly clock: Clock;
  /** Brings the world to the desired state, reading it afresh. Called never twice at once. */
  readonly reconcile: (signal: AbortSignal) => Promise<void>;
  /** Told of every failure; the next attempt follows by itself. */
  readonly onError: (error: unknown, retryInMs: number) => void;
  readonly retry?: { readonly minMs: number; readonly maxMs: number };
}

/**
 * A coalescing, level-triggered runner: any number of `trigger()` calls while one pass is under way make one more pass.
 * A failed pass is repeated with backoff, or at once when triggered.
 */
export class Reconciler {
  readonly #options: ReconcilerOptions;
  readonly #backoff: Backoff;
  #wake: (() => void) | undefined;
  #pending = false;

  constructor(options: ReconcilerOptions) {
    this.#options = options;
    this.#backoff = new Backoff(options.retry ?? { minMs: 100, maxMs: 10_000 });
  }

  trigger(): void {
    this.#pending = true;
    this.#wake?.();
  }

  /** Runs until the signal aborts; the pass under way is finished first. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, reconcile, onError } = this.#options;
    let retryInMs: number | undefined;
    while (!signal.aborted) {
      await this.#due(signal, retryInMs, clock);
      if (signal.aborted) return;
      this.#pending = false;
      try {
        await reconcile(signal);
        this.#backoff.reset();
        retryInMs = undefined;
      } catch (error) {
        if (signal.aborted) return;
        retryInMs = this.#backoff.next();
        onError(error, retryInMs);
      }
    }
  }

  /** Resolves when triggered, when a retry is due, or on abort. */
  async #due(signal: AbortSignal, retryInMs: number | undefined, clock: Clock): Promise<void> {
    if (this.#pending) return;
    const stop = new AbortController();
    const woken = new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
    const aborted = AbortSignal.any([signal, stop.signal]);
    const waits: Promise<void>[] = [woken, clock.sleep(retryInMs ?? 2 ** 31 - 1, aborted)];
    await Promise.race(waits);
    this.#wake = undefined;
    stop.abort();
  }
}
