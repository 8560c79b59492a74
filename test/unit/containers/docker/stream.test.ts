import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeEvent } from '../../../../src/containers/docker/events.ts';
import { decodeListed } from '../../../../src/containers/docker/list.ts';
import { linesOf, OutputCollector } from '../../../../src/containers/docker/stream.ts';

/** The bytes in chunks that begin at the given places. */
function cut(bytes: Buffer, places: readonly number[]): readonly Buffer[] {
  const at = [0, ...places.map((place) => place % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
  return at.slice(1).map((end, i) => bytes.subarray(at[i], end));
}

async function* each(chunks: readonly Buffer[]): AsyncGenerator<Buffer> {
  yield* chunks;
}

async function collect(lines: AsyncIterable<string>): Promise<readonly string[]> {
  const all: string[] = [];
  for await (const line of lines) all.push(line);
  return all;
}

describe('lines', () => {
  it('come out the same wherever the chunks end', async () => {
    const line = fc
      .string({ unit: 'grapheme', minLength: 1 })
      .filter((text) => !/[\r\n]/.test(text) && text.trim() !== '');
    await fc.assert(
      fc.asyncProperty(fc.array(line), fc.array(fc.nat()), async (lines, places) => {
        const bytes = Buffer.from(lines.map((text) => `${text}\n`).join(''));
        expect(await collect(linesOf(each(cut(bytes, places))))).toEqual(lines.map((text) => text.trim()));
      }),
    );
  });

  it('that are cut off are left out, and one without end is refused', async () => {
    expect(await collect(linesOf(each([Buffer.from('{"a":1}\n{"b"')])))).toEqual(['{"a":1}']);
    const endless = Array.from({ length: 6 }, () => Buffer.alloc(1024 * 1024, 'x'));
    await expect(collect(linesOf(each(endless)))).rejects.toMatchObject({ code: 'docker-answer' });
  });
});

describe('output of a command', () => {
  const frame = (stream: 1 | 2, text: string) => {
    const header = Buffer.from([stream, 0, 0, 0, 0, 0, 0, 0]);
    header.writeUInt32BE(Buffer.byteLength(text), 4);
    return Buffer.concat([header, Buffer.from(text)]);
  };

  it('is the same wherever the chunks end', () => {
    fc.assert(
      fc.property(fc.array(fc.string({ maxLength: 20 })), fc.array(fc.nat()), (texts, places) => {
        const collector = new OutputCollector(1_000_000);
        for (const chunk of cut(Buffer.concat(texts.map((text, i) => frame(i % 2 === 0 ? 1 : 2, text))), places))
          collector.add(chunk);
        expect(collector.text()).toBe(Buffer.from(texts.join('')).toString());
      }),
    );
  });

  it('is bounded', () => {
    const collector = new OutputCollector(5);
    collector.add(frame(1, 'abc'));
    collector.add(frame(2, 'defg'));
    collector.add(frame(1, 'h'));
    expect(collector.text()).toBe('abcde');
  });
});

describe('events', () => {
  const event = (type: string, action: string, attributes: object = {}) =>
    `{"Type":"${type}","Action":"${action}","Actor":{"ID":"c1","Attributes":${JSON.stringify(attributes)}},"time":1,"timeNano":1700000000123456789}`;
  it.each<[string, string, object | undefined]>([
    ['die', event('container', 'die', { exitCode: '1' }), { kind: 'gone', id: 'c1' }],
    ['destroy', event('container', 'destroy'), { kind: 'gone', id: 'c1' }],
    ['start', event('container', 'start'), { kind: 'started', id: 'c1' }],
    ['kill', event('container', 'kill', { signal: '15' }), { kind: 'signal', id: 'c1', signal: 15 }],
    ['pause', event('container', 'pause'), { kind: 'changed', id: 'c1' }],
    ['unpause', event('container', 'unpause'), { kind: 'changed', id: 'c1' }],
    ['rename', event('container', 'rename'), { kind: 'changed', id: 'c1' }],
    ['health', event('container', 'health_status: healthy'), { kind: 'changed', id: 'c1' }],
    ['connect', event('network', 'connect', { container: 'c2' }), { kind: 'changed', id: 'c2' }],
    ['disconnect', event('network', 'disconnect', { container: 'c2' }), { kind: 'changed', id: 'c2' }],
    ['a new network', event('network', 'create'), undefined],
    ['exec', event('container', 'exec_start: /bin/true'), undefined],
    ['an image', event('image', 'die'), undefined],
    ['no event', '[]', undefined],
  ])('%s', (_title, line, expected) => {
    expect(decodeEvent(line)?.event).toEqual(expected);
  });

  it('keep their time to the nanosecond, whatever a label pretends', () => {
    expect(decodeEvent(event('container', 'die', { x: '"timeNano":1' }))?.timeNano).toBe(1_700_000_000_123_456_789n);
  });

  it('that are no JSON are told apart, and nothing throws', () => {
    expect(decodeEvent('{"Type":')).toBeUndefined();
    fc.assert(fc.property(fc.oneof(fc.string(), fc.json()), (line) => void decodeEvent(line)));
  });
});

describe('a listed container', () => {
  const listed = (differs: object) =>
    decodeListed({ Id: 'c1', Names: ['/web'], State: 'running', Status: 'Up 5 seconds', ...differs })?.fingerprint;
  it('looks the same however long it has been up', () => {
    expect(listed({ Status: 'Up 3 days' })).toBe(listed({}));
    expect(listed({ Status: 'Up 3 days (healthy)' })).toBe(listed({ Status: 'Up 1 second (healthy)' }));
  });

  it.each([
    [{ Status: 'Up 5 seconds (unhealthy)' }],
    [{ State: 'paused' }],
    [{ Names: ['/other'] }],
    [{ NetworkSettings: { Networks: { bridge: { IPAddress: '172.17.0.3' } } } }],
  ])('looks different with %j', (differs) => {
    expect(listed(differs)).not.toBe(listed({}));
  });
});
