import { FairleadError } from '../../lib/errors.ts';

/** One JSON value of the Engine's answers is never near this; a line without end is somebody else's server. */
const MAX_LINE = 4 * 1024 * 1024;

/** Splits chunks at newlines, wherever those fall; a last line without one is cut off and therefore left out. */
export async function* linesOf(chunks: AsyncIterable<Buffer>): AsyncGenerator<string> {
  let rest: Buffer = Buffer.alloc(0);
  for await (const chunk of chunks) {
    let from = 0;
    const whole = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    for (let end = whole.indexOf(10, rest.length); end !== -1; end = whole.indexOf(10, from)) {
      const line = whole.toString('utf8', from, end).trim();
      from = end + 1;
      if (line !== '') yield line;
    }
    rest = whole.subarray(from);
    if (rest.length > MAX_LINE) throw new FairleadError('docker-answer', 'Docker sent an endless line of events');
  }
}

/**
 * Takes Docker's multiplexed output apart (one byte of stream, three of nothing, four of length, then the payload)
 * and keeps the first `limit` bytes of both streams together.
 */
export class OutputCollector {
  readonly #limit: number;
  readonly #kept: Buffer[] = [];
  #keptBytes = 0;
  #header = Buffer.alloc(0);
  #payloadLeft = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  add(chunk: Buffer): void {
    let rest = chunk;
    while (rest.length > 0) {
      if (this.#payloadLeft > 0) {
        const payload = rest.subarray(0, this.#payloadLeft);
        this.#keep(payload);
        this.#payloadLeft -= payload.length;
        rest = rest.subarray(payload.length);
        continue;
      }
      const missing = 8 - this.#header.length;
      this.#header = Buffer.concat([this.#header, rest.subarray(0, missing)]);
      rest = rest.subarray(missing);
      if (this.#header.length < 8) return;
      this.#payloadLeft = this.#header.readUInt32BE(4);
      this.#header = Buffer.alloc(0);
    }
  }

  text(): string {
    return Buffer.concat(this.#kept).toString();
  }

  #keep(payload: Buffer): void {
    const kept = payload.subarray(0, this.#limit - this.#keptBytes);
    if (kept.length === 0) return;
    this.#kept.push(kept);
    this.#keptBytes += kept.length;
  }
}
