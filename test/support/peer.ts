import type { ChildProcessWithoutNullStreams } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Protocol } from '../../src/model/service.ts';
import type { Netns } from './netns.ts';

export interface ServeCommand {
  readonly op: 'serve';
  readonly protocol: Protocol;
  readonly address: string;
  readonly port: number;
  /** What it answers with, beside the client's address and port. */
  readonly name: string;
}

export interface DialCommand {
  readonly op: 'dial';
  readonly protocol: Protocol;
  readonly address: string;
  readonly port: number;
  /** How many connections, one after another; default 1. */
  readonly count?: number;
  readonly from?: string;
  readonly fromPort?: number;
  /** Default 1000. */
  readonly timeoutMs?: number;
}

export type PeerCommand = ServeCommand | DialCommand;

/** Who answered and whom it saw asking; or the error's code (`ECONNREFUSED`, `ETIMEDOUT`, …). */
export interface Answer {
  readonly name?: string;
  readonly from?: string;
  readonly fromPort?: number;
  readonly error?: string;
  readonly ms: number;
}

/** A process in a namespace that serves and dials on command; ends with its namespace. */
export class Peer {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #lines: AsyncIterator<string>;
  #last: Promise<unknown> = Promise.resolve();

  constructor(ns: Netns) {
    this.#child = ns.spawn(process.execPath, [fileURLToPath(new URL('./peer-process.ts', import.meta.url))]);
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
    this.#child.stderr.pipe(process.stderr);
  }

  /** Resolves when it listens. */
  async serve(command: Omit<ServeCommand, 'op'>): Promise<void> {
    await this.#send({ op: 'serve', ...command });
  }

  async dial(command: Omit<DialCommand, 'op'>): Promise<readonly Answer[]> {
    return await this.#send({ op: 'dial', ...command });
  }

  /** One connection. */
  async ask(protocol: Protocol, address: string, port: number, more: Partial<DialCommand> = {}): Promise<Answer> {
    const [answer] = await this.dial({ ...more, protocol, address, port });
    if (answer === undefined) throw new Error('the peer gave no answer');
    return answer;
  }

  #send(command: PeerCommand): Promise<readonly Answer[]> {
    const sent = this.#last.then(async () => {
      this.#child.stdin.write(`${JSON.stringify(command)}\n`);
      const { value, done } = await this.#lines.next();
      if (done === true) throw new Error('the peer has ended');
      const reply: { answers?: readonly Answer[]; failed?: string } = JSON.parse(value);
      if (reply.answers === undefined) throw new Error(`${JSON.stringify(command)}: ${reply.failed}`);
      return reply.answers;
    });
    this.#last = sent.catch(() => {});
    return sent;
  }
}
