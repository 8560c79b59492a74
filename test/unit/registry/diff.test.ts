import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Registration, serviceKey } from '../../../src/model/service.ts';
import { diffRows, sameRegistration } from '../../../src/registry/diff.ts';
import { applyChanges, type GroupedRows } from '../../../src/registry/grouping.ts';
import { grouped, row } from '../../support/rows.ts';

const byId = (rows: readonly Registration[]) => new Map(rows.map((each) => [each.id, each]));

const full: Registration = {
  ...row('web', 'web-1:80', {
    stack: 'shop',
    address6: 'fd00::1',
    policy: {
      affinity: { kind: 'client-ip', timeoutMs: 1000 },
      ports: [{ name: 'http', port: 80, protocol: 'tcp', publish: 8080 }],
      http: { host: 'a.example', path: '/', priority: 1, sticky: { cookie: 'sid', mode: 'prefix' } },
    },
  }),
  tags: ['a', 'b'],
  meta: new Map([['k', 'v']]),
  container: { id: 'c1', name: 'web-1', image: 'web:1' },
};

describe('sameRegistration', () => {
  test('holds for a deep copy', () => {
    expect(sameRegistration(full, structuredClone(full))).toBe(true);
    expect(sameRegistration(row('web', 'a'), row('web', 'a'))).toBe(true);
  });

  const { policy } = full;
  test.each<[string, Partial<Registration>]>([
    ['id', { id: 'n1/other' }],
    ['node', { node: 'n2' }],
    ['service name', { service: { name: 'api', stack: 'shop' } }],
    ['stack', { service: { name: 'web' } }],
    ['address', { address: '10.0.0.9' }],
    ['address6', { address6: 'fd00::2' }],
    ['state', { state: 'warning' }],
    ['reason', { reason: 'why' }],
    ['weight', { weight: 2 }],
    ['relay', { relay: 'never' }],
    ['tags', { tags: ['b', 'a'] }],
    ['fewer tags', { tags: ['a'] }],
    ['port number', { ports: new Map([['http', 1]]) }],
    ['port name', { ports: new Map([['web', 8080]]) }],
    ['meta', { meta: new Map([['k', 'w']]) }],
    ['container id', { container: { id: 'c2', name: 'web-1', image: 'web:1' } }],
    ['container name', { container: { id: 'c1', name: 'web-2', image: 'web:1' } }],
    ['container image', { container: { id: 'c1', name: 'web-1', image: 'web:2' } }],
    ['affinity', { policy: { ...policy, affinity: { kind: 'none' } } }],
    ['affinity timeout', { policy: { ...policy, affinity: { kind: 'client-ip' } } }],
    ['traffic', { policy: { ...policy, traffic: 'local' } }],
    ['schedule', { policy: { ...policy, schedule: 'source-hash' } }],
    ['vip', { policy: { ...policy, vip: 'none' } }],
    ['drain', { policy: { ...policy, drainMs: 1 } }],
    ['service port', { policy: { ...policy, ports: [{ name: 'http', port: 81, protocol: 'tcp', publish: 8080 }] } }],
    ['published', { policy: { ...policy, ports: [{ name: 'http', port: 80, protocol: 'tcp' }] } }],
    ['protocol', { policy: { ...policy, ports: [{ name: 'http', port: 80, protocol: 'udp', publish: 8080 }] } }],
    ['no route', { policy: { ...policy, http: undefined } }],
    ['route', { policy: { ...policy, http: { ...policy.http, host: 'b.example' } } }],
    ['sticky', { policy: { ...policy, http: { ...policy.http, sticky: { cookie: 'sid', mode: 'learn' } } } }],
  ])('sees another %s', (_, change) => {
    expect(sameRegistration(full, { ...full, ...change })).toBe(false);
    expect(sameRegistration({ ...full, ...change }, full)).toBe(false);
  });

  test('an empty route is not none', () => {
    const { http: _http, ...rest } = policy;
    expect(sameRegistration({ ...full, policy: rest }, { ...full, policy: { ...rest, http: {} } })).toBe(false);
  });
});

describe('diffRows and applyChanges', () => {
  test('names what is added, changed, removed and only renewed', () => {
    const [a, b, c] = [row('web', 'a'), row('web', 'b'), row('web', 'c')];
    const changed = { ...b, weight: 2 };
    const renewed = row('web', 'c');
    const added = row('api', 'd');
    expect(diffRows(byId([a, b, c]), [changed, renewed, added])).toEqual({
      changes: [
        { kind: 'change', before: b, after: changed },
        { kind: 'add', after: added },
        { kind: 'remove', before: a },
      ],
      renewed: [renewed],
    });
  });

  /** A set of rows with unique ids over few services, so that groups meet. */
  const someRows = fc
    .uniqueArray(fc.record({ id: fc.nat(12), service: fc.constantFrom('web', 'api', 'dns'), weight: fc.nat(1) }), {
      selector: (each) => each.id,
    })
    .map((list) => list.map(({ id, service, weight }) => row(service, `e${id}`, { weight })));

  test('applying the difference makes the desired rows, and touches only groups that differ', () => {
    fc.assert(
      fc.property(someRows, someRows, (stored, desired) => {
        const before: GroupedRows = grouped(...stored);
        const { changes } = diffRows(byId(stored), desired);
        const after = applyChanges(before, changes);
        expect(after).toEqual(grouped(...desired));
        const touched = new Set(
          changes.flatMap((change) => [
            ...(change.kind === 'add' ? [] : [serviceKey(change.before.service)]),
            ...(change.kind === 'remove' ? [] : [serviceKey(change.after.service)]),
          ]),
        );
        for (const [key, group] of before) if (!touched.has(key)) expect(after.get(key)).toBe(group);
        if (changes.length === 0) expect(after).toBe(before);
        expect(diffRows(byId(stored), desired, stored).changes).toEqual(changes);
        expect(before).toEqual(grouped(...stored));
      }),
    );
  });

  test('changes that cancel each other out change nothing', () => {
    const a = row('web', 'a');
    const rows = grouped(a);
    const b = { ...a, weight: 2 };
    expect(
      applyChanges(rows, [
        { kind: 'change', before: a, after: b },
        { kind: 'change', before: b, after: a },
      ]),
    ).toBe(rows);
  });

  test('one change among 10,000 services leaves the other groups as they are', () => {
    const rows = Array.from({ length: 30_000 }, (_, i) => row(`s${i % 10_000}`, `e${i}`));
    const before = grouped(...rows);
    const next = rows.with(4711, { ...row('s4711', 'e4711'), state: 'critical' });
    const diff = diffRows(byId(rows), next);
    expect(diff.changes).toHaveLength(1);
    const after = applyChanges(before, diff.changes);
    expect([...after].filter(([key, group]) => before.get(key) !== group).map(([key]) => key)).toEqual(['s4711']);
  });
});
