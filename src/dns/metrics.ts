import { Counter, Histogram, type Registry } from 'prom-client';
import { HANDLERS, type Handler, type Reply } from './handler.ts';
import { RecordType, rcodeName } from './wire/codes.ts';
import type { Transport } from './wire/response.ts';

/** `type` is one of those known by name or `other`: a label must not grow with what clients send. */
const TYPES: readonly string[] = [...Object.keys(RecordType), 'other'];
const OTHER = TYPES.length - 1;
const TYPE_INDEX: ReadonlyMap<number, number> = new Map(
  Object.entries(RecordType).map(([name, code]) => [code, TYPES.indexOf(name)]),
);
const RCODES = 32;

/** One question in, one reply out; a question without reply is not counted. */
export class DnsMetrics {
  /** Counts by handler, transport, type and rcode in one flat array: prom-client hashes labels at every increment. */
  readonly #counts = new Float64Array(HANDLERS.length * 2 * TYPES.length * RCODES);
  readonly #observers: ReadonlyMap<Handler, (seconds: number) => void>;
  readonly #upstream: Counter<'result'>;

  constructor(registry: Registry) {
    const registers = [registry];
    const counts = this.#counts;
    new Counter({
      name: 'fairlead_dns_requests_total',
      help: 'DNS questions answered, by the step of the chain that answered.',
      labelNames: ['proto', 'type', 'rcode', 'handler'],
      registers,
      collect() {
        this.reset();
        counts.forEach((count, index) => {
          if (count > 0) this.inc(labelsOf(index), count);
        });
      },
    });
    const duration = new Histogram({
      name: 'fairlead_dns_request_duration_seconds',
      help: 'Time from a DNS question read to its reply handed to the kernel.',
      labelNames: ['handler'],
      buckets: [0.00001, 0.000025, 0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.005, 0.025, 0.1, 0.5, 2.5],
      registers,
    });
    this.#observers = new Map(HANDLERS.map((handler) => [handler, duration.labels(handler).observe]));
    this.#upstream = new Counter({
      name: 'fairlead_dns_upstream_requests_total',
      help: 'Questions sent to upstream servers, by what came of it.',
      labelNames: ['result'],
      registers,
    });
  }

  answered(reply: Reply, transport: Transport, elapsedMs: number): void {
    const handler = HANDLERS.indexOf(reply.handler) * 2 + (transport === 'tcp' ? 1 : 0);
    const type = handler * TYPES.length + (TYPE_INDEX.get(reply.type) ?? OTHER);
    const index = type * RCODES + (reply.rcode % RCODES);
    this.#counts[index] = (this.#counts[index] ?? 0) + 1;
    this.#observers.get(reply.handler)?.(elapsedMs / 1000);
  }

  upstream(result: 'answered' | 'failed' | 'timeout' | 'overload'): void {
    this.#upstream.inc({ result });
  }
}

/** The reverse of the index in `answered`. */
function labelsOf(index: number): { proto: Transport; type: string; rcode: string; handler: string } {
  const type = Math.floor(index / RCODES);
  const handler = Math.floor(type / TYPES.length);
  return {
    proto: handler % 2 === 0 ? 'udp' : 'tcp',
    type: TYPES[type % TYPES.length] ?? 'other',
    rcode: rcodeName(index % RCODES),
    handler: HANDLERS[Math.floor(handler / 2)] ?? 'guard',
  };
}
