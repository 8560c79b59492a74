import type { Clock } from '../lib/clock.ts';
import type { ServiceKey } from '../model/service.ts';
import type { Service, ServiceTable } from '../model/table.ts';
import { encodeService } from './json.ts';
import { jsonList } from './stream.ts';

export interface TableChange {
  readonly changed: readonly Service[];
  readonly removed: readonly ServiceKey[];
}

/** What differs, by identity; without a table before, everything. */
export function tableChange(before: ServiceTable | undefined, after: ServiceTable): TableChange {
  if (before === undefined) return { changed: [...after.services.values()], removed: [] };
  return {
    changed: [...after.services.values()].filter((service) => before.services.get(service.key) !== service),
    removed: [...before.services.keys()].filter((key) => !after.services.has(key)),
  };
}

export interface EventStreamOptions {
  readonly tables: AsyncIterable<ServiceTable>;
  readonly clock: Clock;
  /** A comment goes out after this long without news, so that both ends see a dead connection. */
  readonly heartbeatMs: number;
  readonly signal: AbortSignal;
}

/**
 * The body of `/v1/events` (WHATWG HTML, server-sent events): one `snapshot`, then a `change` for each newer table.
 * Changes are taken against the last table this client was sent, so one that reads slowly gets fewer, larger ones.
 */
export async function* eventStream({ tables, clock, heartbeatMs, signal }: EventStreamOptions): AsyncGenerator<string> {
  // Something to read at once, so that a client knows it is connected before the first table.
  yield ': fairlead\n\n';
  const news = tables[Symbol.asyncIterator]();
  try {
    let before: ServiceTable | undefined;
    let next = news.next();
    while (!signal.aborted) {
      const result = await within(next, { clock, ms: heartbeatMs, signal });
      if (signal.aborted || result?.done) return;
      if (result === undefined) {
        yield ': heartbeat\n\n';
        continue;
      }
      yield* message(before, result.value);
      before = result.value;
      next = news.next();
    }
  } finally {
    // Not awaited: a generator that waits for the next table returns only after that.
    news.return?.().catch(() => {});
  }
}

async function* message(before: ServiceTable | undefined, table: ServiceTable): AsyncGenerator<string> {
  const { changed, removed } = tableChange(before, table);
  const event = before === undefined ? 'snapshot' : 'change';
  yield `event: ${event}\nid: ${table.revision}\ndata: {"revision":${table.revision},"changed":`;
  yield* jsonList(changed, (service) => encodeService(service));
  yield `,"removed":${JSON.stringify(removed)}}\n\n`;
}

interface Deadline {
  readonly clock: Clock;
  readonly ms: number;
  readonly signal: AbortSignal;
}

/** The promise's value, or undefined when the time is over or the signal aborts first. */
async function within<T>(promise: Promise<T>, { clock, ms, signal }: Deadline): Promise<T | undefined> {
  const done = new AbortController();
  const timer = clock.sleep(ms, AbortSignal.any([signal, done.signal])).then(() => undefined);
  try {
    return await Promise.race([promise, timer]);
  } finally {
    done.abort();
  }
}
