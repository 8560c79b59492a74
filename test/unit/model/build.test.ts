import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { buildTable, isDrained, type TableInput } from '../../../src/model/build.ts';
import { claimKeys } from '../../../src/model/claims.ts';
import { grouped, row } from '../../support/rows.ts';

const empty: TableInput = { node: 'n1', rows: new Map(), local: new Map(), claims: new Map(), nodes: [], problems: [] };

describe('buildTable', () => {
  it('takes this node from local and the others from the registry', () => {
    const { table } = buildTable({
      ...empty,
      rows: grouped(row('web', 'gone'), row('web', 'b', { node: 'n2' })),
      local: grouped(row('web', 'a')),
    });
    expect(table.services.get('web')?.endpoints.map((endpoint) => endpoint.id)).toEqual(['n1/a', 'n2/b']);
  });

  it('drops a service whose only rows are our own of the past', () => {
    expect(buildTable({ ...empty, rows: grouped(row('web', 'gone')) }).table.services.size).toBe(0);
  });

  it('gives the address and the published port that are claimed, and none that are not', () => {
    const policy = { ports: [{ name: 'http', port: 80, protocol: 'tcp', publish: 8080 }] } as const;
    const claims = new Map([
      [claimKeys.vipOfService('a'), '10.96.0.9'],
      [claimKeys.published('tcp', 8080), 'a'],
    ]);
    const { table } = buildTable({
      ...empty,
      local: grouped(row('a', 'a', { policy }), row('b', 'b', { policy })),
      claims,
    });
    expect(table.services.get('a')).toMatchObject({ vip: '10.96.0.9', ports: [{ publish: 8080 }] });
    expect(table.services.get('b')?.vip).toBeUndefined();
    expect(table.services.get('b')?.ports[0]).not.toHaveProperty('publish');
  });

  it('lets the lowest node name lead where policies differ, and says so', () => {
    const { table } = buildTable({
      ...empty,
      node: 'n2',
      rows: grouped(row('web', 'z', { node: 'n1', policy: { drainMs: 1000 } })),
      local: grouped(row('web', 'a', { node: 'n2', policy: { drainMs: 2000 } })),
    });
    expect(table.services.get('web')?.drainMs).toBe(1000);
    expect(table.problems).toMatchObject([{ code: 'policy-conflict', subject: 'service web' }]);
  });

  it('marks a drained endpoint, and leaves a critical one critical', () => {
    const claims = new Map([
      [claimKeys.drain('n1/a'), '2026-01-01T00:00:00Z'],
      [claimKeys.drain('n1/b'), '2026-01-01T00:00:00Z'],
    ]);
    const { table } = buildTable({
      ...empty,
      local: grouped(row('web', 'a'), row('web', 'b', { state: 'critical' })),
      claims,
    });
    const endpoints = table.services.get('web')?.endpoints ?? [];
    expect(endpoints.map((endpoint) => endpoint.state)).toEqual(['draining', 'critical']);
    expect(endpoints.map(isDrained)).toEqual([true, false]);
  });

  it('indexes by name, the service without a stack first', () => {
    const { table } = buildTable({
      ...empty,
      local: grouped(row('web', 'a', { stack: 'shop' }), row('web', 'b'), row('web', 'c', { stack: 'blog' })),
    });
    expect(table.byName.get('web')?.map((service) => service.key)).toEqual(['web', 'web.blog', 'web.shop']);
  });
});

describe('a rebuild', () => {
  const local = grouped(row('a', 'a1'), row('b', 'b1'));
  const first = buildTable({ ...empty, local });

  it('publishes nothing when nothing differs', () => {
    expect(buildTable({ ...empty, local: new Map(local) }, first).table).toBe(first.table);
    expect(
      buildTable({ ...empty, local, claims: new Map([['secret/sticky/1', '00']]) }, first).table,
    ).not.toBeUndefined();
  });

  it('does not take our own rows coming back from the registry for news', () => {
    expect(buildTable({ ...empty, rows: grouped(row('a', 'a1'), row('b', 'b1')), local }, first).table).toBe(
      first.table,
    );
  });

  it('keeps the identity of what did not change and counts up', () => {
    const changed = new Map(local).set('b', [row('b', 'b1', { state: 'critical' })]);
    const { table } = buildTable({ ...empty, local: changed }, first);
    expect(table.revision).toBe(first.table.revision + 1);
    expect(table.services.get('a')).toBe(first.table.services.get('a'));
    expect(table.services.get('b')).not.toBe(first.table.services.get('b'));
    expect(table.byName.get('b')?.[0]).toBe(table.services.get('b'));
  });

  it.each([
    ['a VIP claim', claimKeys.vipOfService('a'), '10.96.0.9'],
    ['a drain', claimKeys.drain('n1/a1'), '2026-01-01T00:00:00Z'],
  ])('looks again at the one service that %s concerns', (_what, key, value) => {
    const { table } = buildTable({ ...empty, local, claims: new Map([[key, value]]) }, first);
    expect(table.services.get('a')).not.toBe(first.table.services.get('a'));
    expect(table.services.get('b')).toBe(first.table.services.get('b'));
    const back = buildTable(
      { ...empty, local },
      buildTable({ ...empty, local, claims: new Map([[key, value]]) }, first),
    );
    expect(back.table.services.get('a')).toEqual(first.table.services.get('a'));
  });

  it('looks again at both services when a published port changes hands', () => {
    const policy = { ports: [{ name: 'http', port: 80, protocol: 'tcp', publish: 8080 }] } as const;
    const both = grouped(row('a', 'a', { policy }), row('b', 'b', { policy }));
    const held = (by: string) => new Map([[claimKeys.published('tcp', 8080), by]]);
    const before = buildTable({ ...empty, local: both, claims: held('a') });
    const { table } = buildTable({ ...empty, local: both, claims: held('b') }, before);
    expect(table.services.get('a')?.ports[0]?.publish).toBeUndefined();
    expect(table.services.get('b')?.ports[0]?.publish).toBe(8080);
  });

  it('keeps the address of a service whose last endpoint went, until the claim is released', () => {
    const claims = new Map([[claimKeys.vipOfService('b.shop'), '10.96.0.9']]);
    const before = buildTable({ ...empty, local: grouped(row('b', 'b1', { stack: 'shop' })), claims });
    const after = buildTable({ ...empty, claims }, before);
    const remnant = { name: 'b', stack: 'shop', vip: '10.96.0.9', ports: [], endpoints: [] };
    expect(after.table.services.get('b.shop')).toMatchObject(remnant);
    expect(buildTable({ ...empty, claims }).table.services.get('b.shop')).toMatchObject(remnant);
    expect(after.wanted.size).toBe(0);
    expect(buildTable(empty, after).table.services.size).toBe(0);
  });

  it('tells that the same is wanted while only health changes', () => {
    const changed = new Map(local).set('b', [row('b', 'b1', { state: 'critical' })]);
    expect(buildTable({ ...empty, local: changed }, first).wanted).toBe(first.wanted);
    expect(buildTable({ ...empty, local: grouped(row('a', 'a1')) }, first).wanted).not.toBe(first.wanted);
  });

  it('forgets a service that is gone, by key and by name', () => {
    const { table } = buildTable({ ...empty, local: grouped(row('a', 'a1')) }, first);
    expect([...table.services.keys()]).toEqual(['a']);
    expect(table.byName.has('b')).toBe(false);
  });

  it('builds from the table before what it would build from nothing', () => {
    const NAMES = ['a', 'b', 'c'];
    const rowOf = fc.record({
      service: fc.constantFrom(...NAMES),
      id: fc.constantFrom('x', 'y'),
      node: fc.constantFrom('n1', 'n2'),
      state: fc.constantFrom('passing' as const, 'critical' as const),
      drainMs: fc.constantFrom(1000, 2000),
    });
    const claim = fc.constantFrom(
      ...NAMES.map(claimKeys.vipOfService),
      claimKeys.published('tcp', 8080),
      claimKeys.drain('n1/x'),
    );
    const input = fc
      .record({ rows: fc.array(rowOf, { maxLength: 6 }), claims: fc.dictionary(claim, fc.constantFrom(...NAMES)) })
      .map(({ rows, claims }): TableInput => {
        const made = new Map(
          rows.map(({ service, id, node, state, drainMs }) => {
            const ports = [{ name: 'http', port: 80, protocol: 'tcp' as const, publish: 8080 }];
            return [`${node}/${id}`, row(service, id, { node, state, policy: { drainMs, ports } })];
          }),
        );
        const of = (node: string) => grouped(...[...made.values()].filter((each) => each.node === node));
        return { ...empty, rows: of('n2'), local: of('n1'), claims: new Map(Object.entries(claims)) };
      });
    // Now and then a part of the input stays the very object it was.
    const step = fc.tuple(input, fc.boolean(), fc.boolean(), fc.boolean());
    fc.assert(
      fc.property(fc.array(step, { minLength: 2, maxLength: 6 }), (steps) => {
        let built = buildTable(empty);
        for (const [next, keepsRows, keepsLocal, keepsClaims] of steps) {
          const { rows, local, claims } = built.input;
          const now = {
            ...next,
            ...(keepsRows && { rows }),
            ...(keepsLocal && { local }),
            ...(keepsClaims && { claims }),
          };
          built = buildTable(now, built);
          const fresh = buildTable(now).table;
          expect(built.table.services).toEqual(fresh.services);
          expect(built.table.byName).toEqual(fresh.byName);
          expect(new Set(built.table.problems)).toEqual(new Set(fresh.problems));
        }
      }),
    );
  });
});
