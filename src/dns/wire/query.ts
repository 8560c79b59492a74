import { Flag, Rcode, RecordType } from './codes.ts';
import { asciiLower, MAX_NAME } from './name.ts';

export const HEADER = 12;

/** What a client's OPT record says (RFC 6891). */
interface Edns {
  readonly version: number;
  /** The largest UDP answer it takes, octets, as it claims. */
  readonly udpSize: number;
  readonly dnssecOk: boolean;
}

/** A well-formed question; `packet` holds its bytes from `HEADER` to `nameEnd + 4`. */
export interface Query {
  readonly kind: 'query';
  readonly packet: Buffer;
  /** Offset after the name's root label. */
  readonly nameEnd: number;
  readonly type: number;
  readonly class: number;
  /** Lower-cased wire name followed by the two octets of the type, one character an octet. */
  readonly key: string;
  readonly edns: Edns | undefined;
}

/** A request answered by a header alone, since its question cannot be trusted. */
export interface Malformed {
  readonly kind: 'malformed';
  readonly packet: Buffer;
  readonly rcode: number;
}

/**
 * The parse guard: everything after it may rely on the question being one uncompressed name within the packet.
 * Undefined where there must be no reply at all: responses (two servers would answer each other for ever) and fragments.
 * Never throws; work is bounded by the packet's length.
 */
export function parseQuery(packet: Buffer): Query | Malformed | undefined {
  if (packet.length < HEADER) return undefined;
  const flags = packet.readUInt16BE(2);
  if ((flags & Flag.QR) !== 0) return undefined;
  if ((flags & 0x7800) !== 0) return { kind: 'malformed', packet, rcode: Rcode.NOTIMP };
  const nameEnd = packet.readUInt16BE(4) === 1 ? questionNameEnd(packet) : undefined;
  if (nameEnd === undefined || nameEnd + 4 > packet.length) return formatError(packet);
  const edns = readEdns(packet, nameEnd + 4);
  if (edns === 'malformed') return formatError(packet);
  const type = packet.readUInt16BE(nameEnd);
  return {
    kind: 'query',
    packet,
    nameEnd,
    type,
    class: packet.readUInt16BE(nameEnd + 2),
    key: cacheKey(packet, nameEnd),
    edns,
  };
}

const formatError = (packet: Buffer): Malformed => ({ kind: 'malformed', packet, rcode: Rcode.FORMERR });

/** A question's name has nothing before it to point at, so a compression pointer in it is an error too. */
function questionNameEnd(packet: Buffer): number | undefined {
  let at = HEADER;
  for (;;) {
    const length = packet[at];
    if (length === undefined || length > 63) return undefined;
    at += 1 + length;
    if (at - HEADER > MAX_NAME) return undefined;
    if (length === 0) return at;
  }
}

/** Only the name is folded: the octets of a type may look like letters (HTTPS is 65, `A`). */
function cacheKey(packet: Buffer, nameEnd: number): string {
  for (let at = HEADER; at < nameEnd; at++) {
    const octet = packet[at] ?? 0;
    if (octet >= 0x41 && octet <= 0x5a) {
      return asciiLower(packet.toString('latin1', HEADER, nameEnd)) + packet.toString('latin1', nameEnd, nameEnd + 2);
    }
  }
  return packet.toString('latin1', HEADER, nameEnd + 2);
}

/** Walks the records behind the question for the one OPT a query may carry; octets after the last record are ignored. */
function readEdns(packet: Buffer, start: number): Edns | undefined | 'malformed' {
  const beforeAdditional = packet.readUInt16BE(6) + packet.readUInt16BE(8);
  const records = beforeAdditional + packet.readUInt16BE(10);
  let edns: Edns | undefined;
  let at = start;
  for (let index = 0; index < records; index++) {
    const fixed = skipName(packet, at);
    if (fixed === undefined || fixed + 10 > packet.length) return 'malformed';
    if (packet.readUInt16BE(fixed) === RecordType.OPT) {
      if (edns !== undefined || index < beforeAdditional || packet[at] !== 0) return 'malformed';
      const udpSize = packet.readUInt16BE(fixed + 2);
      edns = { udpSize, version: packet.readUInt8(fixed + 5), dnssecOk: (packet.readUInt8(fixed + 6) & 0x80) !== 0 };
    }
    at = fixed + 10 + packet.readUInt16BE(fixed + 8);
    if (at > packet.length) return 'malformed';
  }
  return edns;
}

/** Offset after the name at `start`. A pointer ends it and must point back, past the header. */
function skipName(packet: Buffer, start: number): number | undefined {
  for (let at = start; ; ) {
    const length = packet[at];
    if (length === undefined) return undefined;
    if (length === 0) return at + 1;
    if (length >= 0xc0) {
      if (at + 2 > packet.length) return undefined;
      const target = packet.readUInt16BE(at) & 0x3fff;
      return target >= HEADER && target < start ? at + 2 : undefined;
    }
    if (length > 63) return undefined;
    at += 1 + length;
    if (at - start > MAX_NAME) return undefined;
  }
}
