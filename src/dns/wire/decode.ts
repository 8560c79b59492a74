import { FairleadError } from '../../lib/errors.ts';
import { addressOfHex } from '../zone/reverse.ts';
import { RecordType, typeName } from './codes.ts';
import { HEADER } from './query.ts';

/** A record as people read it. */
export interface ShownRecord {
  readonly name: string;
  /** Seconds. */
  readonly ttl: number;
  readonly type: string;
  /** Presentation form of the data; of a type not known here `\# <length> <hex>` (RFC 3597). */
  readonly data: string;
}

export interface ShownMessage {
  readonly answers: readonly ShownRecord[];
  readonly authority: readonly ShownRecord[];
  /** Without OPT. */
  readonly additional: readonly ShownRecord[];
}

/**
 * A response for people to read: off the hot path, and strict, for an upstream's bytes are anybody's.
 * Throws `dns-message` where it is malformed; work is bounded by the message's length.
 */
export function showMessage(message: Buffer): ShownMessage {
  const reader = new Reader(message);
  try {
    return reader.message();
  } catch (cause) {
    throw new FairleadError('dns-message', 'the response is malformed', { cause });
  }
}

const MAX_STEPS = 256;

class Reader {
  readonly #bytes: Buffer;
  #at = HEADER;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  message(): ShownMessage {
    const bytes = this.#bytes;
    for (let left = bytes.readUInt16BE(4); left > 0; left--) {
      this.#name();
      this.#at += 4;
    }
    const answers = this.#records(bytes.readUInt16BE(6));
    const authority = this.#records(bytes.readUInt16BE(8));
    const additional = this.#records(bytes.readUInt16BE(10)).filter(({ type }) => type !== 'OPT');
    return { answers, authority, additional };
  }

  #records(count: number): ShownRecord[] {
    const records: ShownRecord[] = [];
    for (let index = 0; index < count; index++) {
      const name = this.#name();
      const type = this.#uint(2);
      this.#uint(2);
      const ttl = this.#uint(4);
      const length = this.#uint(2);
      const end = this.#at + length;
      if (end > this.#bytes.length) throw new RangeError('a record ends behind the message');
      records.push({ name, ttl, type: typeName(type), data: this.#data(type, end) });
      this.#at = end;
    }
    return records;
  }

  #data(type: number, end: number): string {
    switch (type) {
      case RecordType.A:
      case RecordType.AAAA:
        return addressOfHex(this.#bytes.toString('hex', this.#at, end)) ?? this.#generic(end);
      case RecordType.NS:
      case RecordType.CNAME:
      case RecordType.PTR:
        return this.#name();
      case RecordType.MX:
        return `${this.#uint(2)} ${this.#name()}`;
      case RecordType.SRV:
        return `${this.#uint(2)} ${this.#uint(2)} ${this.#uint(2)} ${this.#name()}`;
      case RecordType.SOA:
        return `${this.#name()} ${this.#name()} ${[4, 4, 4, 4, 4].map((octets) => this.#uint(octets)).join(' ')}`;
      case RecordType.TXT:
      case RecordType.HINFO:
        return this.#strings(end);
      default:
        return this.#generic(end);
    }
  }

  #generic(end: number): string {
    return `\\# ${end - this.#at} ${this.#bytes.toString('hex', this.#at, end)}`.trimEnd();
  }

  #strings(end: number): string {
    const strings: string[] = [];
    while (this.#at < end) {
      const length = this.#uint(1);
      strings.push(JSON.stringify(this.#bytes.toString('latin1', this.#at, Math.min(this.#at + length, end))));
      this.#at += length;
    }
    return strings.join(' ');
  }

  #uint(octets: number): number {
    const value = this.#bytes.readUIntBE(this.#at, octets);
    this.#at += octets;
    return value;
  }

  /** A name has at most 127 labels; one that takes more pointers than that is made to keep us busy. */
  #name(): string {
    const labels: string[] = [];
    let at = this.#at;
    let next: number | undefined;
    for (let steps = 0; steps < MAX_STEPS; steps++) {
      const length = this.#bytes.readUInt8(at);
      if (length >= 0xc0) {
        const target = this.#bytes.readUInt16BE(at) & 0x3fff;
        next ??= at + 2;
        if (target >= at) throw new RangeError('a compression pointer leads forward');
        at = target;
        continue;
      }
      if (length > 63) throw new RangeError('a label is too long');
      at += 1 + length;
      if (length === 0) {
        this.#at = next ?? at;
        return `${labels.join('.')}.`;
      }
      if (at > this.#bytes.length) throw new RangeError('a name ends behind the message');
      labels.push(showLabel(this.#bytes.toString('latin1', at - length, at)));
    }
    throw new RangeError('a name does not end');
  }
}

/** RFC 1035 §5.1: what is not printable as three decimal digits, dots and backslashes escaped. */
const showLabel = (label: string): string =>
  label.replace(/[.\\]/g, '\\$&').replace(/[^!-~]/g, (octet) => `\\${octet.charCodeAt(0).toString().padStart(3, '0')}`);
