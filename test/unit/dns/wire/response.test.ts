import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { showMessage } from '../../../../src/dns/wire/decode.ts';
import { parseQuery, type Query } from '../../../../src/dns/wire/query.ts';
import type { DnsRecord, ResponseContent } from '../../../../src/dns/wire/record.ts';
import { addressTo, compileResponse, encodeEmpty, optSize, responseLimit } from '../../../../src/dns/wire/response.ts';
import { type QuestionOptions, question } from '../../../support/dns.ts';

function asked(name: string, options: QuestionOptions = {}): Query {
  const query = parseQuery(question(name, 'A', options));
  if (query?.kind !== 'query') throw new Error('the test asks nonsense');
  return query;
}

const addresses = (count: number): DnsRecord[] =>
  Array.from({ length: count }, (_, index) => ({
    ttl: 1,
    data: { type: 'A', address: `10.0.${index >> 8}.${index & 255}` },
  }));

const content = (answers: readonly DnsRecord[], more: Partial<ResponseContent> = {}): ResponseContent => ({
  rcode: 0,
  authoritative: true,
  answers,
  authority: [],
  additional: [],
  ...more,
});

const respond = (query: Query, what: ResponseContent, first = 0, transport: 'udp' | 'tcp' = 'udp') =>
  addressTo(
    compileResponse(query, what, { limit: responseLimit(query, transport) - optSize(query), first }),
    query,
    what.rcode,
  );

const header = (message: Buffer) => ({
  flags: message.readUInt16BE(2).toString(16),
  counts: [4, 6, 8, 10].map((at) => message.readUInt16BE(at)),
});

describe('response', () => {
  it('is these octets', () => {
    const query = asked('wEb', {
      opt: { size: 4096, flags: 0xffff, options: Buffer.from('000a00081122334455667788', 'hex') },
    });
    expect(respond(query, content(addresses(1))).toString('hex')).toBe(
      ['1234', '8580', '0001', '0001', '0000', '0001', '0377456200', '00010001'].join('') +
        ['c00c', '0001', '0001', '00000001', '0004', '0a000000'].join('') +
        ['00', '0029', '04d0', '00', '00', '8000', '0000'].join(''),
    );
  });

  it.each<[what: string, options: QuestionOptions, limit: number]>([
    ['no EDNS', {}, 512],
    ['size 0', { opt: { size: 0 } }, 512],
    ['size 600', { opt: { size: 600 } }, 600],
    ['size 65535', { opt: { size: 65_535 } }, 1232],
  ])('with %s takes %o up to %i', (_, options, limit) => {
    expect(responseLimit(asked('web', options), 'udp')).toBe(limit);
    expect(responseLimit(asked('web', options), 'tcp')).toBe(65_535);
  });

  it('truncates with TC, keeps question and OPT, and sends a rotating part', () => {
    const query = asked('web', { opt: { size: 512 } });
    const first = respond(query, content(addresses(100)), 0);
    const later = respond(query, content(addresses(100)), 90);
    expect(header(first)).toEqual({ flags: '8780', counts: [1, 30, 0, 1] });
    expect(first.length).toBeLessThanOrEqual(512);
    expect(showMessage(first).answers[0]?.data).toBe('10.0.0.0');
    expect(
      showMessage(later)
        .answers.map(({ data }) => data)
        .slice(9, 11),
    ).toEqual(['10.0.0.99', '10.0.0.0']);
    expect(header(respond(query, content(addresses(100)), 0, 'tcp'))).toEqual({
      flags: '8580',
      counts: [1, 100, 0, 1],
    });
  });

  it('leaves additional records out without TC', () => {
    const additional = addresses(100).map((record) => ({ ...record, name: 'x.example' }));
    const message = respond(asked('web'), content(addresses(1), { additional }));
    expect(header(message).flags).toBe('8580');
    expect(message.length).toBeLessThanOrEqual(512);
    expect(showMessage(message).additional.length).toBeGreaterThan(20);
  });

  it('compresses owner names, but no SRV target', () => {
    const target = 'a.addr.web';
    const message = respond(
      asked('web'),
      content([{ ttl: 1, data: { type: 'SRV', priority: 1, weight: 2, port: 3, target } }], {
        additional: [{ name: target, ttl: 1, data: { type: 'A', address: '10.0.0.1' } }],
      }),
    );
    expect(message.subarray(21).toString('hex')).toBe(
      `c00c0021000100000001${'0012'}000100020003${'01610461646472037765620'}0${'c027'}00010001000000010004${'0a000001'}`,
    );
    expect(showMessage(message)).toMatchObject({
      answers: [{ data: '1 2 3 a.addr.web.' }],
      additional: [{ name: 'a.addr.web.' }],
    });
  });

  it('shows every type it encodes, and text over 255 octets', () => {
    const records: DnsRecord[] = [
      { ttl: 1, data: { type: 'AAAA', address: 'fd00::1' } },
      { ttl: 1, data: { type: 'CNAME', target: 'api.example.com' } },
      { ttl: 1, data: { type: 'TXT', strings: ['x'.repeat(300), ''] } },
      { ttl: 1, data: { type: 'HINFO', cpu: 'RFC8482', os: '' } },
    ];
    expect(
      showMessage(respond(asked('web'), content(records), 0, 'tcp')).answers.map(({ type, data }) => `${type} ${data}`),
    ).toEqual([
      'AAAA fd00::1',
      'CNAME api.example.com.',
      `TXT "${'x'.repeat(255)}" "${'x'.repeat(45)}" ""`,
      'HINFO "RFC8482" ""',
    ]);
  });

  it('puts the upper bits of BADVERS into the OPT', () => {
    const message = encodeEmpty(asked('web', { opt: { version: 1 } }), 16);
    expect(header(message)).toEqual({ flags: '8180', counts: [1, 0, 0, 1] });
    expect(message.subarray(-11).toString('hex')).toBe('00002904d0010000000000');
  });

  it('is never larger than the client takes, and always readable', () => {
    const label = fc.stringMatching(/^[a-z0-9]{1,63}$/);
    const name = fc.array(label, { minLength: 1, maxLength: 3 }).map((labels) => labels.join('.'));
    const anyRecord: fc.Arbitrary<DnsRecord> = fc.oneof(
      fc.record({ ttl: fc.nat(), data: fc.record({ type: fc.constant('A' as const), address: fc.ipV4() }) }),
      fc.record({ name, ttl: fc.nat(), data: fc.record({ type: fc.constant('PTR' as const), target: name }) }),
      fc.record({
        ttl: fc.nat(),
        data: fc.record({ type: fc.constant('TXT' as const), strings: fc.array(fc.string(), { minLength: 1 }) }),
      }),
    );
    const section = fc.array(anyRecord, { maxLength: 40 });
    fc.assert(
      fc.property(
        name,
        section,
        section,
        section,
        fc.option(fc.nat(0xffff)),
        (qname, answers, authority, additional, size) => {
          const query = asked(qname, size === null ? {} : { opt: { size } });
          const message = respond(query, content(answers, { authority, additional }));
          expect(message.length).toBeLessThanOrEqual(responseLimit(query, 'udp'));
          const shown = showMessage(message);
          expect(shown.answers.length).toBe(message.readUInt16BE(6));
          expect((message.readUInt16BE(2) & 0x0200) !== 0).toBe(
            shown.answers.length < answers.length || shown.authority.length < authority.length,
          );
        },
      ),
    );
  });
});

describe('showMessage', () => {
  it.each<[what: string, name: string]>([
    ['a pointer to itself', 'c00c'],
    ['a pointer forward', 'c0ff'],
    ['two labels in a circle', '0161c00c'],
    ['a label longer than the message', '3f61'],
  ])('refuses %s', (_, name) => {
    const message = Buffer.concat([Buffer.from('000080000001000000000000', 'hex'), Buffer.from(name, 'hex')]);
    expect(() => showMessage(message)).toThrow(expect.objectContaining({ code: 'dns-message' }));
  });

  it('throws nothing else, and soon, whatever the octets', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 12, maxLength: 400 }), (octets) => {
        try {
          showMessage(Buffer.from(octets));
        } catch (error) {
          expect(error).toMatchObject({ code: 'dns-message' });
        }
      }),
      { numRuns: 2000 },
    );
  });

  it('escapes what is not printable', () => {
    const packet = question('xxxx', 12);
    packet.write('a.\x00\xff', 13, 'latin1');
    const query = parseQuery(packet);
    if (query?.kind !== 'query') throw new Error('the test asks nonsense');
    const message = respond(query, content([{ ttl: 0, data: { type: 'PTR', target: 'b' } }]));
    expect(showMessage(message).answers[0]?.name).toBe('a\\.\\000\\255.');
  });
});
