import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { eventStream, tableChange } from '../../../src/admin/events.ts';
import { buildTable, type TableInput } from '../../../src/model/build.ts';
import { FakeAgent } from '../../support/admin.ts';
import { ManualClock } from '../../support/clock.ts';
import { grouped, row } from '../../support/rows.ts';

const empty: TableInput = { node: 'n1', rows: new Map(), local: new Map(), claims: new Map(), nodes: [], problems: [] };

describe('tableChange', () => {
  it('turns any table into any other when it is applied to it', () => {
    const rows = fc.uniqueArray(
      fc.record({ service: fc.constantFrom('a', 'b', 'c', 'd'), id: fc.constantFrom('1', '2', '3') }),
      { selector: ({ service, id }) => `${service}-${id}` },
    );
    fc.assert(
      fc.property(rows, rows, (first, second) => {
        const local = (all: typeof first) => grouped(...all.map(({ service, id }) => row(service, `${service}-${id}`)));
        const before = buildTable({ ...empty, local: local(first) });
        const after = buildTable({ ...empty, local: local(second) }, before);
        const { changed, removed } = tableChange(before.table, after.table);
        const applied = new Map(before.table.services);
        for (const service of changed) applied.set(service.key, service);
        for (const key of removed) applied.delete(key);
        expect(applied).toEqual(after.table.services);
      }),
    );
  });

  it('leaves out what kept its identity', () => {
    const before = buildTable({ ...empty, local: grouped(row('a', 'a'), row('b', 'b')) });
    const local = new Map(before.input.local).set('b', [row('b', 'b', { state: 'critical' })]);
    const { changed } = tableChange(before.table, buildTable({ ...empty, local }, before).table);
    expect(changed.map(({ key }) => key)).toEqual(['b']);
  });
});

describe('eventStream', () => {
  function open() {
    const agent = new FakeAgent();
    const clock = new ManualClock();
    const stop = new AbortController();
    const { signal } = stop;
    const stream = eventStream({ tables: agent.subscribe(signal), clock, heartbeatMs: 15_000, signal });
    return { agent, clock, stop, stream };
  }

  /** The next whole message: up to its empty line. */
  async function message(stream: AsyncGenerator<string>): Promise<string> {
    let text = '';
    while (!text.endsWith('\n\n')) {
      const { value, done } = await stream.next();
      if (done) return `${text}(end)`;
      text += value;
    }
    return text;
  }

  const summary = (text: string) => {
    const [, event, id, data = ''] = /^event: (\w+)\nid: (\d+)\ndata: (.*)\n\n$/.exec(text) ?? [];
    const { revision, changed, removed } = JSON.parse(data);
    expect(String(revision)).toBe(id);
    return { event, changed: changed.map(({ name }: { name: string }) => name), removed };
  };

  it('sends everything, then what differs', async () => {
    const { agent, stream } = open();
    agent.setRows(row('a', 'a'), row('b', 'b'));
    expect(await message(stream)).toBe(': fairlead\n\n');
    expect(summary(await message(stream))).toEqual({ event: 'snapshot', changed: ['a', 'b'], removed: [] });
    agent.setRows(row('a', 'a'), row('c', 'c'));
    expect(summary(await message(stream))).toMatchObject({ event: 'change', removed: ['b'] });
  });

  it('sends a slow reader one change for many', async () => {
    const { agent, stream } = open();
    agent.setRows(row('a', 'a'));
    await message(stream);
    await message(stream);
    for (const id of ['b', 'c', 'd']) agent.setRows(row(id, id));
    expect(summary(await message(stream))).toEqual({ event: 'change', changed: ['d'], removed: ['a'] });
  });

  it('sends a comment when there is no news', async () => {
    const { agent, clock, stream } = open();
    await message(stream);
    const next = message(stream);
    await clock.sleeping(1);
    clock.advance(15_000);
    expect(await next).toBe(': heartbeat\n\n');
    const later = message(stream);
    await clock.sleeping(1);
    agent.setRows(row('a', 'a'));
    expect(summary(await later).event).toBe('snapshot');
  });

  it('ends when it is told to, and lets go of the table', async () => {
    const { agent, clock, stop, stream } = open();
    await message(stream);
    const next = message(stream);
    await clock.sleeping(1);
    expect(agent.subscribers).toBe(1);
    stop.abort();
    expect(await next).toBe('(end)');
    expect(agent.subscribers).toBe(0);
  });
});
