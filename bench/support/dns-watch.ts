import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Netns } from '../../test/support/netns.ts';

export interface DnsWanted {
  readonly name: string;
  readonly address: string;
  readonly present: boolean;
}

/** A process inside a network namespace that asks its DNS server over and over, and tells when an answer has changed. */
export class DnsWatch implements AsyncDisposable {
  readonly #child;
  readonly #lines: AsyncIterator<string>;

  constructor(netns: Netns) {
    this.#child = netns.spawn(process.execPath, [join(import.meta.dirname, 'dns-watch-main.ts')]);
    this.#child.stderr.pipe(process.stderr);
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
  }

  /** Resolves with the moment (`now()`) of the first answer for `name` that has, or has not, the address. One at a time. */
  async until(wanted: DnsWanted): Promise<number> {
    this.#child.stdin.write(`${JSON.stringify(wanted)}\n`);
    const { value, done } = await this.#lines.next();
    if (done === true) throw new Error('the process that asks DNS has ended');
    return Number(value);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null) return;
    const gone = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await gone;
  }
}
