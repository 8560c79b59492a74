import type { Question, Reply } from './handler.ts';
import { Rcode, RecordType } from './wire/codes.ts';
import { isWithin } from './wire/name.ts';
import type { DnsRecord, ResponseContent } from './wire/record.ts';
import { addressTo, compileResponse, optSize, responseLimit } from './wire/response.ts';
import { negative, type ZoneContext } from './zone/answer.ts';
import { isAboveZone, type Zones } from './zone/locate.ts';
import { isReversePrefix, PRIVATE_REVERSE_ZONES } from './zone/reverse.ts';

/** Never in anybody's DNS: RFC 6761 §6.4, RFC 7686. */
const NOWHERE: readonly (readonly string[])[] = [['invalid'], ['onion']];
/** Private to a site: here they mean nothing beyond our own names, unless a route says who knows them. */
const PRIVATE: readonly (readonly string[])[] = [['internal']];

const LOOPBACK_REVERSE = new Set(['1.0.0.127.in-addr.arpa', `1.${'0.'.repeat(31)}ip6.arpa`]);
const LOCALHOST_TTL = 86_400;

export interface SpecialNamesOptions {
  readonly zones: Zones;
  readonly context: () => ZoneContext;
  /** Labels of the route for this name, as many as its domain has; undefined without one. */
  readonly routeDepth: (labels: readonly string[]) => number | undefined;
}

/** Names that mean the same everywhere, or must not leave this host. */
export class SpecialNames {
  readonly #options: SpecialNamesOptions;

  constructor(options: SpecialNamesOptions) {
    this.#options = options;
  }

  answer({ query, transport }: Question, labels: readonly string[]): Reply | undefined {
    const content = this.#content(labels, query.type);
    if (content === undefined) return undefined;
    const limit = responseLimit(query, transport) - optSize(query);
    const bytes = addressTo(compileResponse(query, content, { limit }), query, content.rcode);
    return { handler: 'special', bytes, rcode: content.rcode, type: query.type };
  }

  #content(labels: readonly string[], type: number): ResponseContent | undefined {
    const { context, routeDepth } = this.#options;
    if (labels.at(-1) === 'localhost') return this.#localhost(localhostRecords(type), 'localhost');
    const name = labels.join('.');
    if (LOOPBACK_REVERSE.has(name)) return this.#localhost(localhostPointer(type), name);
    const nowhere = NOWHERE.find((zone) => isWithin(labels, zone));
    if (nowhere !== undefined) return negative(context(), nowhere.join('.'), Rcode.NXDOMAIN);
    const zones = labels.at(-1) === 'arpa' ? PRIVATE_REVERSE_ZONES : PRIVATE;
    const zone = zones.find((candidate) => isWithin(labels, candidate));
    // A route for the zone or part of it is an operator's word that somebody on this site knows it.
    if (zone === undefined || (routeDepth(labels) ?? 0) >= zone.length) return undefined;
    const exists = labels.length === zone.length || isReversePrefix(labels) || isAboveZone(this.#options.zones, labels);
    return negative(context(), zone.join('.'), exists ? Rcode.NOERROR : Rcode.NXDOMAIN);
  }

  #localhost(answers: readonly DnsRecord[], apex: string): ResponseContent {
    if (answers.length === 0) return negative(this.#options.context(), apex, Rcode.NOERROR);
    return { rcode: Rcode.NOERROR, authoritative: true, answers, authority: [], additional: [] };
  }
}

/** RFC 6761 §6.3: whatever anybody configured, `localhost` and all below it are loopback. */
function localhostRecords(type: number): DnsRecord[] {
  if (type === RecordType.A) return [{ ttl: LOCALHOST_TTL, data: { type: 'A', address: '127.0.0.1' } }];
  return type === RecordType.AAAA ? [{ ttl: LOCALHOST_TTL, data: { type: 'AAAA', address: '::1' } }] : [];
}

const localhostPointer = (type: number): DnsRecord[] =>
  type === RecordType.PTR ? [{ ttl: LOCALHOST_TTL, data: { type: 'PTR', target: 'localhost' } }] : [];
