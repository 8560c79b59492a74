import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readLabels } from '../../../../src/dns/wire/name.ts';
import { parseQuery } from '../../../../src/dns/wire/query.ts';
import { opt, question } from '../../../support/dns.ts';

/** The question with its header's words replaced: 1 flags, 2 QDCOUNT, 3 ANCOUNT, 4 NSCOUNT, 5 ARCOUNT. */
function words(packet: Buffer, replaced: Readonly<Record<number, number>>): Buffer {
  for (const [word, value] of Object.entries(replaced)) packet.writeUInt16BE(value, 2 * Number(word));
  return packet;
}

const named = (name: string) =>
  Buffer.concat([question('', 'A').subarray(0, 12), Buffer.from(name, 'latin1'), Buffer.from([0, 1, 0, 1])]);
const more = (...parts: Buffer[]) => Buffer.concat([question('web', 'A'), ...parts]);
const record = (owner: string, type = 1, data = Buffer.alloc(4)) => {
  const fixed = Buffer.alloc(10);
  fixed.writeUInt16BE(type);
  fixed.writeUInt16BE(data.length, 8);
  return Buffer.concat([Buffer.from(owner, 'latin1'), fixed, data]);
};
const label63 = `\x3f${'x'.repeat(63)}`;

describe('parse guard', () => {
  it.each<[what: string, packet: Buffer, expected: 'no reply' | 'FORMERR' | 'NOTIMP' | 'query']>([
    ['nothing', Buffer.alloc(0), 'no reply'],
    ['11 octets', Buffer.alloc(11), 'no reply'],
    ['a response', question('web', 'A', { flags: 0x8180 }), 'no reply'],
    ['a malformed response', Buffer.from('ffff8000', 'hex'), 'no reply'],
    ['opcode 1', question('web', 'A', { flags: 0x0900 }), 'NOTIMP'],
    ['opcode UPDATE', question('web', 'A', { flags: 0x2800 }), 'NOTIMP'],
    ['an unknown opcode without a question', words(Buffer.alloc(12), { 1: 0x7800 }), 'NOTIMP'],
    ['no question', words(question('web', 'A'), { 2: 0 }), 'FORMERR'],
    ['two questions', words(question('web', 'A'), { 2: 2 }), 'FORMERR'],
    ['a header alone', question('web', 'A').subarray(0, 12), 'FORMERR'],
    ['a question cut in its name', question('web', 'A').subarray(0, 15), 'FORMERR'],
    ['a question cut in its class', question('web', 'A').subarray(0, 20), 'FORMERR'],
    ['a pointer to itself', named('\xc0\x0c'), 'FORMERR'],
    ['a pointer forward', named('\xc0\x20'), 'FORMERR'],
    ['a pointer into the header', named('\x03web\xc0\x00'), 'FORMERR'],
    ['a label of 64', named(`\x40${'x'.repeat(64)}\x00`), 'FORMERR'],
    ['an extended label type', named('\x81xx\x00'), 'FORMERR'],
    ['a name of 257', named(`${label63.repeat(4)}\x00`), 'FORMERR'],
    ['a name of 255', named(`${label63.repeat(3)}\x3d${'x'.repeat(61)}\x00`), 'query'],
    ['a name of 256', named(`${label63.repeat(3)}\x3e${'x'.repeat(62)}\x00`), 'FORMERR'],
    ['the root', question('.', 'NS'), 'query'],
    ['octets of every kind in a label', named('\x04\x00\xff. \x00'), 'query'],
    ['an OPT', question('web', 'A', { opt: {} }), 'query'],
    ['two OPTs', words(more(opt({}), opt({})), { 5: 2 }), 'FORMERR'],
    ['an OPT that is not at the root', words(more(record('\x01x\x00', 41)), { 5: 1 }), 'FORMERR'],
    ['an OPT by pointer', words(more(record('\xc0\x10', 41)), { 5: 1 }), 'FORMERR'],
    ['an OPT among the answers', words(more(opt({})), { 3: 1 }), 'FORMERR'],
    ['an OPT announced and missing', words(more(), { 5: 1 }), 'FORMERR'],
    ['an OPT cut short', words(more(opt({}).subarray(0, 8)), { 5: 1 }), 'FORMERR'],
    [
      'an OPT longer than the packet',
      words(more(opt({ options: Buffer.alloc(8) }).subarray(0, 15)), { 5: 1 }),
      'FORMERR',
    ],
    ['an OPT behind another record', words(more(record('\xc0\x0c', 250), opt({})), { 5: 2 }), 'query'],
    ['a record whose owner points forward', words(more(record('\xc0\xff')), { 5: 1 }), 'FORMERR'],
    ['65,535 records announced', words(more(), { 3: 0xffff, 4: 0xffff, 5: 0xffff }), 'FORMERR'],
    ['octets behind the last record', more(Buffer.alloc(30)), 'query'],
  ])('%s', (_, packet, expected) => {
    const parsed = parseQuery(packet);
    const outcome =
      parsed === undefined
        ? 'no reply'
        : parsed.kind === 'query'
          ? 'query'
          : { 1: 'FORMERR', 4: 'NOTIMP' }[parsed.rcode];
    expect(outcome).toBe(expected);
  });

  it('reads name, type, class and EDNS', () => {
    const packet = question('Web.Shop', 'AAAA', { opt: { size: 1400, flags: 0x8000 } });
    const query = parseQuery(packet);
    expect(query).toMatchObject({
      kind: 'query',
      type: 28,
      class: 1,
      edns: { udpSize: 1400, version: 0, dnssecOk: true },
    });
    expect(readLabels(packet, 12)).toEqual(['web', 'shop']);
  });

  it('folds letters of the name only into the key', () => {
    const key = (name: string, type: number) => {
      const query = parseQuery(question(name, type));
      return query?.kind === 'query' ? query.key : '';
    };
    expect(key('WEB', 1)).toBe(key('web', 1));
    expect(key('WEB', 65)).not.toBe(key('WEB', 97));
    expect(key('WEB', 65)).toBe(key('web', 65));
    expect(key('\xc0', 1)).not.toBe(key('\xe0', 1));
  });

  it('never throws and stays within the packet, whatever the octets', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 600 }), (octets) => {
        const parsed = parseQuery(Buffer.from(octets));
        if (parsed?.kind === 'query') expect(parsed.nameEnd + 4).toBeLessThanOrEqual(octets.length);
      }),
      { numRuns: 5000 },
    );
  });
});
