import ipaddr from 'ipaddr.js';
import { CLASS_IN, RecordType } from './codes.ts';
import { encodeName, splitName } from './name.ts';
import { HEADER } from './query.ts';
import type { DnsRecord, RecordData } from './record.ts';

/** Compression pointers hold 14 bits. */
const MAX_POINTER = 0x3fff;
/** Longer than any record made here but TXT of many strings; the buffer grows for those. */
const ROOM = 1024;

/** Appends records behind a question, compressing owner names (RFC 1035 §4.1.4), up to a limit of octets. */
export class MessageWriter {
  #bytes: Buffer;
  #length: number;
  readonly #limit: number;
  /** Name in lower case → where it, or its tail, was written. */
  readonly #names = new Map<string, number>();

  /** `question` is name, type and class as the client sent them. */
  constructor(question: Buffer, limit: number) {
    this.#limit = limit;
    this.#length = HEADER + question.length;
    this.#bytes = Buffer.alloc(this.#length + ROOM);
    question.copy(this.#bytes, HEADER);
    this.#rememberQuestion(question);
  }

  /** False, and nothing is written, where the record does not fit. */
  write(record: DnsRecord): boolean {
    const start = this.#length;
    this.#writeName(record.name);
    this.#uint16(RecordType[record.data.type]);
    this.#uint16(CLASS_IN);
    this.#uint32(record.ttl);
    const dataStart = this.#length + 2;
    this.#uint16(0);
    this.#writeData(record.data);
    this.#bytes.writeUInt16BE(this.#length - dataStart, dataStart - 2);
    if (this.#length <= this.#limit) return true;
    this.#length = start;
    for (const [name, offset] of this.#names) if (offset >= start) this.#names.delete(name);
    return false;
  }

  /** The message so far; its header is all zeros. */
  finish(): Buffer {
    return this.#bytes.subarray(0, this.#length);
  }

  #rememberQuestion(question: Buffer): void {
    const tails: { label: string; offset: number }[] = [];
    for (let at = 0; (question[at] ?? 0) !== 0; at += 1 + (question[at] ?? 0)) {
      const label = question.toString('latin1', at + 1, at + 1 + (question[at] ?? 0)).toLowerCase();
      tails.push({ label, offset: HEADER + at });
    }
    let name = '';
    for (const { label, offset } of tails.reverse()) {
      // A dot within a label would make two different names look the same as text.
      if (label.includes('.')) return;
      name = name === '' ? label : `${label}.${name}`;
      this.#names.set(name, offset);
    }
  }

  #writeName(name: string | undefined): void {
    if (name === undefined) {
      this.#uint16(0xc000 | HEADER);
      return;
    }
    const labels = splitName(name);
    for (let index = 0; index < labels.length; index++) {
      const tail = labels.slice(index).join('.').toLowerCase();
      const known = this.#names.get(tail);
      if (known !== undefined) {
        this.#uint16(0xc000 | known);
        return;
      }
      if (this.#length <= MAX_POINTER) this.#names.set(tail, this.#length);
      this.#raw(encodeName(labels[index] ?? '').subarray(0, -1));
    }
    this.#raw(Buffer.of(0));
  }

  #writeData(data: RecordData): void {
    switch (data.type) {
      case 'A':
        this.#raw(Buffer.from(ipaddr.IPv4.parse(data.address).toByteArray()));
        return;
      case 'AAAA':
        this.#raw(Buffer.from(ipaddr.IPv6.parse(data.address).toByteArray()));
        return;
      case 'NS':
      case 'CNAME':
      case 'PTR':
        this.#writeName(data.target);
        return;
      case 'SRV':
        this.#uint16(data.priority);
        this.#uint16(data.weight);
        this.#uint16(data.port);
        this.#writeUncompressed(data.target);
        return;
      case 'SOA':
        this.#writeName(data.mname);
        this.#writeName(data.rname);
        for (const value of [data.serial, data.refresh, data.retry, data.expire, data.minimum]) this.#uint32(value);
        return;
      case 'TXT':
        for (const text of data.strings) this.#characterStrings(text);
        return;
      case 'HINFO':
        this.#characterStrings(data.cpu);
        this.#characterStrings(data.os);
    }
  }

  /** RFC 2782 forbids compressing a target; later owner names may still point at it. */
  #writeUncompressed(name: string): void {
    const start = this.#length;
    this.#raw(encodeName(name));
    const key = splitName(name).join('.').toLowerCase();
    if (start <= MAX_POINTER && !this.#names.has(key)) this.#names.set(key, start);
  }

  /** A character-string holds 255 octets; longer text becomes several. */
  #characterStrings(text: string): void {
    const bytes = Buffer.from(text);
    for (let at = 0; at === 0 || at < bytes.length; at += 255) {
      const piece = bytes.subarray(at, at + 255);
      this.#raw(Buffer.of(piece.length));
      this.#raw(piece);
    }
  }

  #uint16(value: number): void {
    this.#reserve(2);
    this.#length = this.#bytes.writeUInt16BE(value, this.#length);
  }

  #uint32(value: number): void {
    this.#reserve(4);
    this.#length = this.#bytes.writeUInt32BE(value, this.#length);
  }

  #raw(bytes: Buffer): void {
    this.#reserve(bytes.length);
    this.#length += bytes.copy(this.#bytes, this.#length);
  }

  #reserve(octets: number): void {
    if (this.#length + octets <= this.#bytes.length) return;
    const grown = Buffer.alloc(2 * (this.#bytes.length + octets));
    this.#bytes.copy(grown, 0, 0, this.#length);
    this.#bytes = grown;
  }
}
