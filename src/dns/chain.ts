import type { Forwarder } from './forward/forwarder.ts';
import type { Handler, Question, Reply, Request } from './handler.ts';
import type { LocalNames } from './local.ts';
import type { SpecialNames } from './special.ts';
import { CLASS_IN, Flag, isMetaType, Rcode } from './wire/codes.ts';
import { readLabels } from './wire/name.ts';
import { HEADER, parseQuery, type Query } from './wire/query.ts';
import { encodeEmpty, encodeMalformed } from './wire/response.ts';

export interface ChainOptions {
  readonly allow: (address: string) => boolean;
  readonly local: LocalNames;
  readonly special: SpecialNames;
  readonly forwarder: Forwarder;
}

/**
 * What happens to a request, in this order; the first step that has an answer gives it:
 *
 * 1. parse guard — no reply to responses and fragments; FORMERR, NOTIMP, BADVERS, REFUSED for what is no plain question
 * 2. access      — REFUSED to clients outside `dns.allow`, for our names and for others' alike
 * 3. local names — services, nodes and addresses of the current table; never forwarded
 * 4. special     — localhost, private reverse zones, .invalid, .onion, .internal; never forwarded
 * 5. routes      — domains with servers of their own
 * 6. forward     — everything else, to the upstream servers
 *
 * Undefined: no reply. The first four answer at once, forwarding later.
 */
export function handle(options: ChainOptions, request: Request): Reply | Promise<Reply> | undefined {
  const { packet, client, transport } = request;
  const query = parseQuery(packet);
  if (query === undefined) return undefined;
  if (query.kind === 'malformed') {
    return { handler: 'guard', bytes: encodeMalformed(query), rcode: query.rcode, type: 0 };
  }
  const refusal = guard(query);
  if (refusal !== undefined) return empty(query, 'guard', refusal);
  if (!options.allow(client)) return empty(query, 'access', Rcode.REFUSED);
  const question: Question = { packet, client, transport, query };
  const local = options.local.answer(question);
  if (local !== undefined) return local;
  const labels = readLabels(packet, HEADER);
  return options.special.answer(question, labels) ?? forward(options.forwarder, question, labels);
}

/** Well-formed, but nothing this server does. */
function guard(query: Query): number | undefined {
  if (query.edns !== undefined && query.edns.version !== 0) return Rcode.BADVERS;
  return query.class !== CLASS_IN || isMetaType(query.type) ? Rcode.REFUSED : undefined;
}

function forward(forwarder: Forwarder, question: Question, labels: readonly string[]): Reply | Promise<Reply> {
  const { query } = question;
  const { servers, routed } = forwarder.serversFor(labels);
  const handler: Handler = routed ? 'route' : 'forward';
  // Without RD the client asks for what we hold ourselves, and others' names we do not hold.
  if ((query.packet.readUInt16BE(2) & Flag.RD) === 0) return empty(query, handler, Rcode.REFUSED);
  return forwarder.forward(question, servers).then(({ bytes, rcode }) => ({ handler, bytes, rcode, type: query.type }));
}

const empty = (query: Query, handler: Handler, rcode: number): Reply => ({
  handler,
  bytes: encodeEmpty(query, rcode),
  rcode,
  type: query.type,
});
