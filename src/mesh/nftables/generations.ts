import { randomInt } from 'node:crypto';

/**
 * Numbers our transactions, so that the monitor can tell them from others'. A process id would not do: the kernel
 * reports it as the machine's first namespace sees it, and in a container we see another. Each number counts once: a
 * saved ruleset that somebody loads again carries an old one.
 */
export class Generations {
  #last = randomInt(2 ** 31);
  readonly #awaited = new Set<number>();

  /** A new number, to be seen in the monitor soon. */
  claim(): number {
    this.#last = (this.#last + 1) % 2 ** 32;
    this.#awaited.add(this.#last);
    return this.#last;
  }

  /** The transaction failed, or the tables were read back since: its number means nothing any more. */
  forgetAll(): void {
    this.#awaited.clear();
  }

  /** Was this one ours, and not seen before? */
  take(generation: number): boolean {
    return this.#awaited.delete(generation);
  }
}
