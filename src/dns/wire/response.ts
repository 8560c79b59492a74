import { Flag, Rcode, RecordType } from './codes.ts';
import { HEADER, type Malformed, type Query } from './query.ts';
import type { ResponseContent } from './record.ts';
import { MessageWriter } from './writer.ts';

export type Transport = 'udp' | 'tcp';

/** What a UDP answer may measure whatever the client says: fits every path without fragments (DNS flag day 2020). */
const MAX_UDP = 1232;
/** What every client takes (RFC 1035 §4.2.1), and the least an EDNS size means (RFC 6891 §6.2.5). */
const MIN_UDP = 512;
const MAX_TCP = 65_535;
/** An OPT record without options. */
const OPT_SIZE = 11;

/** The largest answer this client takes, octets. */
export function responseLimit(query: Query, transport: Transport): number {
  if (transport === 'tcp') return MAX_TCP;
  return query.edns === undefined ? MIN_UDP : Math.min(Math.max(query.edns.udpSize, MIN_UDP), MAX_UDP);
}

/**
 * A response that any client asking this question may get: id, RD, case of the question and OPT are left to
 * `addressTo`. Answers start at index `first` and wrap around. Where they do not all fit, TC is set and those that
 * do are sent; additional records are left out silently (RFC 2181 §9).
 */
export function compileResponse(
  query: Query,
  content: ResponseContent,
  options: { limit: number; first?: number },
): Buffer {
  const { answers, authority, additional, authoritative } = content;
  const { limit, first = 0 } = options;
  const writer = new MessageWriter(query.packet.subarray(HEADER, query.nameEnd + 4), limit);
  const counts = { answer: 0, authority: 0, additional: 0 };
  for (let index = 0; index < answers.length; index++) {
    const record = answers[(first + index) % answers.length];
    if (record === undefined || !writer.write(record)) break;
    counts.answer++;
  }
  let truncated = counts.answer < answers.length;
  if (!truncated) {
    for (const record of authority) if (writer.write(record)) counts.authority++;
    truncated = counts.authority < authority.length;
  }
  if (!truncated) for (const record of additional) if (writer.write(record)) counts.additional++;
  const message = writer.finish();
  message.writeUInt16BE(
    Flag.QR | Flag.RA | (authoritative ? Flag.AA : 0) | (truncated ? Flag.TC : 0) | (content.rcode & 0xf),
    2,
  );
  message.writeUInt16BE(1, 4);
  message.writeUInt16BE(counts.answer, 6);
  message.writeUInt16BE(counts.authority, 8);
  message.writeUInt16BE(counts.additional, 10);
  return message;
}

/** A compiled response as a new buffer, made this query's own: id, RD, CD, the question's case, OPT if it had one. */
export function addressTo(compiled: Buffer, query: Query, rcode: number): Buffer {
  const { packet, edns, nameEnd } = query;
  const length = compiled.length;
  const message = Buffer.allocUnsafe(edns === undefined ? length : length + OPT_SIZE);
  compiled.copy(message);
  packet.copy(message, 0, 0, 2);
  packet.copy(message, HEADER, HEADER, nameEnd);
  message.writeUInt8(message.readUInt8(2) | (packet.readUInt8(2) & (Flag.RD >> 8)), 2);
  message.writeUInt8(message.readUInt8(3) | (packet.readUInt8(3) & Flag.CD), 3);
  if (edns !== undefined) {
    writeOpt(message, length, { rcode, dnssecOk: edns.dnssecOk });
    message.writeUInt16BE(message.readUInt16BE(10) + 1, 10);
  }
  return message;
}

/** Octets an answer to this query must leave for its OPT record. */
export const optSize = (query: Query): number => (query.edns === undefined ? 0 : OPT_SIZE);

/** Root owner, our size, version 0, the DO bit as it came (RFC 3225 §3), all other flags clear, no options. */
export function writeOpt(message: Buffer, at: number, options: { rcode: number; dnssecOk: boolean }): void {
  message.writeUInt8(0, at);
  message.writeUInt16BE(RecordType.OPT, at + 1);
  message.writeUInt16BE(MAX_UDP, at + 3);
  message.writeUInt8(options.rcode >> 4, at + 5);
  message.writeUInt8(0, at + 6);
  message.writeUInt16BE(options.dnssecOk ? 0x8000 : 0, at + 7);
  message.writeUInt16BE(0, at + 9);
}

/** A response of rcode, question and OPT alone. */
export function encodeEmpty(query: Query, rcode: number): Buffer {
  const content = { rcode, authoritative: false, answers: [], authority: [], additional: [] };
  return addressTo(compileResponse(query, content, { limit: MAX_UDP }), query, rcode);
}

/** FORMERR, NOTIMP: id, opcode and RD of the request, and no sections. */
export function encodeMalformed({ packet, rcode }: Malformed): Buffer {
  const message = Buffer.alloc(HEADER);
  packet.copy(message, 0, 0, 2);
  message.writeUInt16BE(Flag.QR | (packet.readUInt16BE(2) & (0x7800 | Flag.RD)) | rcode, 2);
  return message;
}

/** The rcode in a message's header. */
export const headerRcode = (message: Buffer): number => (message[3] ?? Rcode.SERVFAIL) & 0xf;
