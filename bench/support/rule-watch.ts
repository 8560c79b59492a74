import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import type { Netns } from '../../test/support/netns.ts';
import { now } from './now.ts';

const QUIET_MS = 60;

/** Tells when a change of the kernel's rules has become true, as `nft monitor` in the same namespace reports it. */
export class RuleWatch implements AsyncDisposable {
  readonly #netns: Netns;
  readonly #child;
  readonly #waiting = new Map<string, (at: number) => void>();
  #seen: string[] = [];
  #lastAt = 0;

  constructor(netns: Netns) {
    this.#netns = netns;
    this.#child = netns.spawn('nft', ['monitor']);
    createInterface({ input: this.#child.stdout }).on('line', (line) => this.#read(line));
  }

  /** Resolves with the moment (`now()`) at which a transaction with such a line (`delete element … : ADDRESS .`) was done. */
  async next(verb: 'add' | 'delete', address: string, deadlineMs = 10_000): Promise<number> {
    const key = `${verb} ${address}`;
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    const timer = setTimeout(() => reject(new Error(`no rule: ${key}`)), deadlineMs);
    this.#waiting.set(key, resolve);
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
      this.#waiting.delete(key);
    }
  }

  /** Resolves when it hears what happens: `nft monitor` reads all rules first, and anew if they change meanwhile. */
  async ready(): Promise<void> {
    for (let pauseMs = 50; this.#lastAt === 0; pauseMs *= 2) {
      await delay(pauseMs);
      await this.#netns.feed('add table ip probe\ndelete table ip probe\n', 'nft', '-f', '-');
      await delay(20);
    }
  }

  /** Resolves when nothing has changed for a while: what was begun earlier is no part of the next measurement. */
  async quiet(): Promise<void> {
    while (now() - this.#lastAt < QUIET_MS) await delay(Math.max(1, this.#lastAt + QUIET_MS - now()));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null) return;
    const gone = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await gone;
  }

  #read(line: string): void {
    if (!line.startsWith('# new generation')) {
      const [, verb, address] = /^(add|delete) element ip fairlead slots \{ .* : (\S+) \. /.exec(line) ?? [];
      if (verb !== undefined) this.#seen.push(`${verb} ${address}`);
      return;
    }
    const at = now();
    this.#lastAt = at;
    for (const key of this.#seen) this.#waiting.get(key)?.(at);
    this.#seen = [];
  }
}
