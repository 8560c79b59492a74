import { setImmediate } from 'node:timers/promises';

/** How much is encoded before the event loop, which also answers DNS, has its turn. */
const BATCH = 200;

/** A long JSON list in pieces, each encoded when the one before is on its way. */
export async function* jsonList<T>(items: readonly T[], encode: (item: T) => unknown): AsyncGenerator<string> {
  yield '[';
  for (let start = 0; start < items.length; start += BATCH) {
    if (start > 0) await setImmediate();
    const batch = items.slice(start, start + BATCH).map((item) => JSON.stringify(encode(item)));
    yield (start > 0 ? ',' : '') + batch.join(',');
  }
  yield ']';
}

/** Text as a body that is made only as fast as the client reads it. */
export const textStream = (chunks: AsyncIterable<string>): ReadableStream<Uint8Array> =>
  ReadableStream.from(chunks).pipeThrough(new TextEncoderStream());
