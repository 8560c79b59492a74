import type { ServiceTable } from '../model/table.ts';
import type { Question, Reply } from './handler.ts';
import { Rcode } from './wire/codes.ts';
import { readLabels } from './wire/name.ts';
import { HEADER, type Query } from './wire/query.ts';
import type { ResponseContent } from './wire/record.ts';
import { addressTo, compileResponse, encodeEmpty, optSize, responseLimit } from './wire/response.ts';
import { answerLocated, type Ttls, type ZoneContext } from './zone/answer.ts';
import { locate, type Zones } from './zone/locate.ts';
import { TableIndex } from './zone/table-index.ts';
import type { Located } from './zone/target.ts';

export interface LocalNamesOptions {
  /** This node's name. */
  readonly node: string;
  readonly zones: Zones;
  readonly ttl: Ttls;
  readonly table: () => ServiceTable | undefined;
  /** Stacks of client addresses, as far as known beside the table; asked before it. */
  readonly stackOf?: (address: string) => string | undefined;
}

/** An answer of one table revision, ready for the wire. */
interface Compiled {
  readonly content: ResponseContent;
  /** The message with its answers in several orders, so that clients that take the first spread; made when first due. */
  readonly orders: (Buffer | undefined)[];
  next: number;
}

const MAX_ORDERS = 16;
/** Bounds what questions for ever new names of ours (`<hex>.addr.<domain>`) can hold, octets. */
const MAX_COMPILED_BYTES = 32 * 1024 * 1024;
/** An entry's objects and key, as measured on Node 24. */
const ENTRY_BYTES = 768;
const UNLIMITED = 65_535;

/** Names of services, nodes and addresses, from the current table. */
export class LocalNames {
  readonly #options: LocalNamesOptions;
  #index: TableIndex | undefined;
  /** By stack of the client, then by name and type. Of one revision: emptied with every other table. */
  #compiled = new Map<string | undefined, Map<string, Compiled>>();
  #compiledBytes = 0;

  constructor(options: LocalNamesOptions) {
    this.#options = options;
  }

  /** Undefined where the name is not ours. SERVFAIL before the first table: nothing is known, not even what is ours. */
  answer({ query, client, transport }: Question): Reply | undefined {
    const index = this.#currentIndex();
    if (index === undefined) {
      return { handler: 'local', bytes: encodeEmpty(query, Rcode.SERVFAIL), rcode: Rcode.SERVFAIL, type: query.type };
    }
    const stack = this.#stackOf(client, index);
    const compiled = this.#compiled.get(stack)?.get(query.key) ?? this.#compile(index, query, stack);
    if (compiled === undefined) return undefined;
    const bytes = this.#render(compiled, query, responseLimit(query, transport));
    return { handler: 'local', bytes, rcode: compiled.content.rcode, type: query.type };
  }

  /** What a client at this address gets for a name, undecided by type; undefined before the first table or where not ours. */
  locate(
    labels: readonly string[],
    client: string,
  ): { located: Located | undefined; stack: string | undefined } | undefined {
    const index = this.#currentIndex();
    if (index === undefined) return undefined;
    const stack = this.#stackOf(client, index);
    return { located: locate(this.#options.zones, index, labels, stack), stack };
  }

  /** What answers of this revision have in common. */
  context(): ZoneContext {
    const { zones, ttl, table } = this.#options;
    return { domain: zones.domain, ttl, serial: table()?.revision ?? 0 };
  }

  #stackOf(client: string, index: TableIndex): string | undefined {
    return this.#options.stackOf?.(client) ?? index.stackOf(client);
  }

  #currentIndex(): TableIndex | undefined {
    const table = this.#options.table();
    if (table === undefined) return undefined;
    this.#index ??= new TableIndex(this.#options.node);
    if (this.#index.moveTo(table)) this.#forget();
    return this.#index;
  }

  #compile(index: TableIndex, query: Query, stack: string | undefined): Compiled | undefined {
    const located = locate(this.#options.zones, index, readLabels(query.packet, HEADER), stack);
    if (located === undefined) return undefined;
    const content = answerLocated(this.context(), located, query.type);
    const orders = Math.min(Math.max(content.answers.length, 1), MAX_ORDERS);
    const compiled: Compiled = { content, orders: new Array<undefined>(orders).fill(undefined), next: 0 };
    // Names that do not exist have no end; they are cheap enough to find missing again.
    if (located.target !== undefined) this.#remember(query.key, stack, compiled);
    return compiled;
  }

  #render(compiled: Compiled, query: Query, limit: number): Buffer {
    const { content, orders } = compiled;
    const order = compiled.next;
    compiled.next = (order + 1) % orders.length;
    const first = Math.floor((order * content.answers.length) / orders.length);
    const message = orders[order] ?? this.#compileOrder(compiled, query, { order, first });
    const room = limit - optSize(query);
    if (message.length <= room) return addressTo(message, query, content.rcode);
    return addressTo(compileResponse(query, content, { limit: room, first }), query, content.rcode);
  }

  #compileOrder(compiled: Compiled, query: Query, { order, first }: { order: number; first: number }): Buffer {
    const limit = UNLIMITED - optSize(query);
    const written = compileResponse(query, compiled.content, { limit, first });
    // A buffer of its own: what is kept must hold neither the writer's spare room nor a slab of the shared pool.
    const message = Buffer.allocUnsafeSlow(written.length);
    written.copy(message);
    compiled.orders[order] = message;
    this.#compiledBytes += message.length;
    return message;
  }

  #remember(key: string, stack: string | undefined, compiled: Compiled): void {
    if (this.#compiledBytes > MAX_COMPILED_BYTES) this.#forget();
    const ofStack = this.#compiled.get(stack) ?? new Map<string, Compiled>();
    this.#compiled.set(stack, ofStack.set(key, compiled));
    this.#compiledBytes += ENTRY_BYTES;
  }

  #forget(): void {
    this.#compiled = new Map();
    this.#compiledBytes = 0;
  }
}
