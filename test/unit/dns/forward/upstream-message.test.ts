import { describe, expect, it } from 'vitest';
import { answersMessage, relayMessage, upstreamMessage } from '../../../../src/dns/forward/upstream-message.ts';
import { parseQuery, type Query } from '../../../../src/dns/wire/query.ts';
import { type QuestionOptions, question } from '../../../support/dns.ts';

function asked(options: QuestionOptions = {}): Query {
  const query = parseQuery(question('Example.COM', 'A', options));
  if (query?.kind !== 'query') throw new Error('the test asks nonsense');
  return query;
}

describe('question to an upstream', () => {
  it('carries our id, RD, CD, our size; no client option', () => {
    const query = asked({
      flags: 0x0110,
      opt: { size: 4096, flags: 0x8000, options: Buffer.from('0008000700011800c00002', 'hex') },
    });
    const message = upstreamMessage(query);
    expect(message.subarray(2).toString('hex')).toBe(
      `0110${'0001000000000001'}${'074578616d706c6503434f4d00'}00010001${'0000'}${'2904d000008000'}0000`,
    );
    const ids = new Set(Array.from({ length: 64 }, () => upstreamMessage(query).readUInt16BE(0)));
    expect(ids.size).toBeGreaterThan(60);
  });
});

describe('answer to it', () => {
  const query = asked();
  const message = upstreamMessage(query);
  const response = (change: (bytes: Buffer) => void) => {
    const bytes = Buffer.from(message);
    bytes.writeUInt16BE(0x8180, 2);
    change(bytes);
    return bytes;
  };
  it.each<[what: string, bytes: Buffer, expected: boolean]>([
    ['the answer', response(() => {}), true],
    ['in another case', response((bytes) => bytes.write('eXAMPLE', 13)), true],
    ['another id', response((bytes) => bytes.writeUInt16BE(message.readUInt16BE(0) ^ 1, 0)), false],
    ['a query', response((bytes) => bytes.writeUInt16BE(0x0100, 2)), false],
    ['another opcode', response((bytes) => bytes.writeUInt16BE(0x8980, 2)), false],
    ['no question', response((bytes) => bytes.writeUInt16BE(0, 4)), false],
    ['another name', response((bytes) => bytes.write('exbmple', 13)), false],
    ['another type', response((bytes) => bytes.writeUInt16BE(28, message.length - 4)), false],
    ['another class', response((bytes) => bytes.writeUInt16BE(3, message.length - 2)), false],
    ['cut short', response(() => {}).subarray(0, message.length - 1), false],
    ['nothing', Buffer.alloc(0), false],
  ])('%s', (_, bytes, expected) => {
    expect(answersMessage(message, bytes, query)).toBe(expected);
  });
});

describe('relay', () => {
  it('changes id, RD and case, and no octet of the records', () => {
    const query = asked({ id: 0xbeef });
    const records = Buffer.from('c00cfde800010000003c0003010203', 'hex');
    const upstream = Buffer.concat([upstreamMessage(query), records]);
    upstream.writeUInt16BE(0x8100, 2);
    upstream.writeUInt16BE(1, 6);
    upstream.write('example', 13);
    const relayed = relayMessage(upstream, query, 512);
    expect(relayed.toString('hex')).toBe(
      `beef8180000100010000000${'0'}074578616d706c6503434f4d0000010001${records.toString('hex')}`,
    );
  });

  it('is question, OPT and TC where it does not fit', () => {
    const query = asked({ opt: { size: 512 } });
    const upstream = Buffer.concat([upstreamMessage(query), Buffer.alloc(600)]);
    upstream.writeUInt16BE(0x8180, 2);
    upstream.writeUInt16BE(40, 6);
    const relayed = relayMessage(upstream, query, 512);
    expect(relayed.toString('hex')).toBe(
      `1234838000010000000000010${'74578616d706c6503434f4d00'}00010001${'0000'}2904d0${'000000000000'}`,
    );
  });
});
