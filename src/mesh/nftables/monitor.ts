import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { Backoff } from '../../lib/backoff.ts';
import type { Clock } from '../../lib/clock.ts';
import type { Logger } from '../../lib/logger.ts';
import type { Generations } from './generations.ts';
import type { Nft } from './nft.ts';
import { TABLE } from './structure.ts';

export interface MonitorOptions {
  readonly nft: Nft;
  readonly generations: Generations;
  readonly clock: Clock;
  readonly log: Logger;
  /** Somebody else changed our tables, or may have: read them back. */
  readonly onForeignChange: () => void;
}

/** nft 1.0 never frees what it has reported, near 1 KB an element; so it is started anew after so many lines. */
const MAX_LINES = 100_000;

const OURS = new RegExp(`^\\w+ \\w+ ip6? ${TABLE}( |$)`);
const GENERATION = new RegExp(`^add element ip ${TABLE} generation \\{ (0x[\\da-f]+) \\}$`);

/**
 * Watches the kernel's rules for changes of our tables that we did not make. It listens to `nft monitor`: the lines of
 * one transaction, then `# new generation …`.
 */
export class Monitor {
  readonly #options: MonitorOptions;
  #proven = false;

  constructor(options: MonitorOptions) {
    this.#options = options;
  }

  /** Has it reported a transaction of ours since it was last started? Until then it may have missed others'. */
  get proven(): boolean {
    return this.#proven;
  }

  async run(signal: AbortSignal): Promise<void> {
    const { clock, log, onForeignChange } = this.#options;
    const backoff = new Backoff({ minMs: 100, maxMs: 10_000 });
    while (!signal.aborted) {
      const why = await this.#watch(signal);
      this.#proven = false;
      if (signal.aborted) return;
      if (why === 'renew') {
        backoff.reset();
        continue;
      }
      log.warn({}, 'nft monitor ended; starting it again');
      await clock.sleep(backoff.next(), signal);
      onForeignChange();
    }
  }

  /** One `nft monitor`, until it ends, has grown too large, or the signal aborts. */
  async #watch(signal: AbortSignal): Promise<'ended' | 'renew'> {
    const child = this.#options.nft.monitor();
    const stop = () => child.kill('SIGKILL');
    signal.addEventListener('abort', stop, { once: true });
    const closed = once(child, 'close').catch(() => {});
    child.stderr.resume();
    const transaction = new Transaction();
    let lines = 0;
    try {
      for await (const line of createInterface({ input: child.stdout })) {
        this.#read(line, transaction);
        lines += 1;
        if (lines >= MAX_LINES && transaction.isEmpty) return 'renew';
      }
      return 'ended';
    } finally {
      stop();
      signal.removeEventListener('abort', stop);
      await closed;
    }
  }

  #read(line: string, transaction: Transaction): void {
    const { generations, onForeignChange } = this.#options;
    // "# ERROR: We lost some netlink events!"
    if (line.startsWith('# ERROR')) onForeignChange();
    if (!line.startsWith('# new generation')) {
      transaction.note(line);
      return;
    }
    const { touched, generation } = transaction.end();
    if (!touched) return;
    const isOurs = generation !== undefined && generations.take(generation);
    // What others did before it was known to listen is looked for once, now.
    if (!isOurs || !this.#proven) onForeignChange();
    this.#proven ||= isOurs;
  }
}

/** What is known of the transaction whose lines are coming in. */
class Transaction {
  #touched = false;
  #generation: number | undefined;

  get isEmpty(): boolean {
    return !this.#touched;
  }

  note(line: string): void {
    if (!OURS.test(line)) return;
    this.#touched = true;
    const number = GENERATION.exec(line)?.[1];
    if (number !== undefined) this.#generation = Number(number);
  }

  end(): { readonly touched: boolean; readonly generation: number | undefined } {
    const ended = { touched: this.#touched, generation: this.#generation };
    this.#touched = false;
    this.#generation = undefined;
    return ended;
  }
}
