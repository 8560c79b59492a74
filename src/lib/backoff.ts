export interface BackoffOptions {
  readonly minMs: number;
  readonly maxMs: number;
  readonly random?: () => number;
}

/** Delays that double from `minMs` to `maxMs`, each spread over its upper half so that nodes do not march in step. */
export class Backoff {
  readonly #options: BackoffOptions;
  #attempt = 0;

  constructor(options: BackoffOptions) {
    this.#options = options;
  }

  /** The delay before the next attempt, milliseconds. */
  next(): number {
    const { minMs, maxMs, random = Math.random } = this.#options;
    const ceiling = Math.min(maxMs, minMs * 2 ** this.#attempt);
    this.#attempt = Math.min(this.#attempt + 1, 32);
    return ceiling / 2 + (random() * ceiling) / 2;
  }

  /** Call after a success. */
  reset(): void {
    this.#attempt = 0;
  }
}
