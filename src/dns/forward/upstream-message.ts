import { randomInt } from 'node:crypto';
import { Flag } from '../wire/codes.ts';
import { HEADER, type Query } from '../wire/query.ts';
import { optSize, writeOpt } from '../wire/response.ts';

/**
 * The client's question as this server asks it: with an id of its own, RD set, CD as it came, and where the client
 * speaks EDNS a fresh OPT of our size. Options (cookies, client subnets) are between client and us and stay here.
 */
export function upstreamMessage(query: Query): Buffer {
  const { packet, nameEnd, edns } = query;
  const end = nameEnd + 4;
  const message = Buffer.alloc(end + optSize(query));
  message.writeUInt16BE(randomInt(0x1_0000), 0);
  message.writeUInt16BE(Flag.RD | (packet.readUInt16BE(2) & Flag.CD), 2);
  message.writeUInt16BE(1, 4);
  packet.copy(message, HEADER, HEADER, end);
  if (edns !== undefined) {
    writeOpt(message, end, { rcode: 0, dnssecOk: edns.dnssecOk });
    message.writeUInt16BE(1, 10);
  }
  return message;
}

/** Same id, a response, an ordinary query, and the very question; only letters may differ in case. */
export function answersMessage(message: Buffer, response: Buffer, query: Query): boolean {
  const end = query.nameEnd + 4;
  if (response.length < end || response.readUInt16BE(0) !== message.readUInt16BE(0)) return false;
  if ((response.readUInt16BE(2) & (Flag.QR | 0x7800)) !== Flag.QR || response.readUInt16BE(4) !== 1) return false;
  for (let at = HEADER; at < query.nameEnd; at++) if (lower(response[at]) !== lower(message[at])) return false;
  return response.compare(message, query.nameEnd, end, query.nameEnd, end) === 0;
}

const lower = (octet = 0): number => (octet >= 0x41 && octet <= 0x5a ? octet + 0x20 : octet);

export const isTruncated = (response: Buffer): boolean => (response.readUInt16BE(2) & Flag.TC) !== 0;

/**
 * The upstream's bytes made this client's: id, RD and the question as it spelt it; all records, known or not, untouched.
 * Where that is more than the client takes, question and OPT with TC instead.
 */
export function relayMessage(response: Buffer, query: Query, limit: number): Buffer {
  const end = query.nameEnd + 4;
  const fits = response.length <= limit;
  const relayed = fits ? Buffer.from(response) : Buffer.alloc(end + optSize(query));
  if (!fits) {
    response.copy(relayed, 0, 0, end);
    relayed.writeUInt16BE(relayed.readUInt16BE(2) | Flag.TC, 2);
    relayed.fill(0, 6, HEADER);
    if (query.edns !== undefined) {
      writeOpt(relayed, end, { rcode: 0, dnssecOk: query.edns.dnssecOk });
      relayed.writeUInt16BE(1, 10);
    }
  }
  query.packet.copy(relayed, 0, 0, 2);
  query.packet.copy(relayed, HEADER, HEADER, end);
  const recursion = query.packet.readUInt16BE(2) & Flag.RD;
  relayed.writeUInt16BE((relayed.readUInt16BE(2) & ~Flag.RD) | recursion | Flag.RA, 2);
  return relayed;
}
