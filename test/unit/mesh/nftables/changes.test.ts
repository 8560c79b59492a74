import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Changes, diffContents, diffPlans, isEmpty } from '../../../../src/mesh/nftables/changes.ts';
import { type Contents, contentsOf, type Element, hostElements } from '../../../../src/mesh/nftables/elements.ts';
import { changeScript } from '../../../../src/mesh/nftables/script.ts';
import { type MeshPlan, planMesh } from '../../../../src/mesh/plan.ts';
import type { HostFacts } from '../../../../src/model/host.ts';
import type { Service } from '../../../../src/model/table.ts';
import { service, table } from '../../../support/services.ts';

const facts: HostFacts = { node: 'n1', nodeAddress: '192.168.50.1', addresses: [], bridges: [] };
const ranges = { vipCidr: '10.96.0.0/16', vipCidr6: '' };
const planOf = (services: readonly Service[], previous?: MeshPlan): MeshPlan =>
  planMesh({ table: table(1, ...services), facts, ranges }, previous);

const web = (endpoints: Readonly<Record<string, string>>) => service('web', { vip: '10.96.0.1', endpoints });

describe('one change writes only what differs', () => {
  const before = planOf([web({ a: '10.1.0.1', b: '10.1.0.2' }), service('api', { vip: '10.96.0.2' })]);

  test.each<readonly [string, readonly Service[], string]>([
    [
      'an endpoint more',
      [web({ a: '10.1.0.1', b: '10.1.0.2', c: '10.1.0.3' }), service('api', { vip: '10.96.0.2' })],
      `delete element ip fairlead services { 10.96.0.1 . tcp . 80 }
add element ip fairlead services { 10.96.0.1 . tcp . 80 : goto vip_random_3 }
add element ip fairlead slots { 10.96.0.1 . tcp . 80 . 2 : 10.1.0.3 . 8080 }
`,
    ],
    [
      'an endpoint replaced',
      [web({ a: '10.1.0.1', b: '10.1.0.9' }), service('api', { vip: '10.96.0.2' })],
      `delete element ip fairlead slots { 10.96.0.1 . tcp . 80 . 1 }
add element ip fairlead slots { 10.96.0.1 . tcp . 80 . 1 : 10.1.0.9 . 8080 }
`,
    ],
    [
      'a service gone, its address given to another',
      [web({ a: '10.1.0.1', b: '10.1.0.2' }), service('new', { vip: '10.96.0.2', endpoints: { a: '10.1.0.4' } })],
      `delete element ip fairlead services { 10.96.0.2 . tcp . 80 }
add element ip fairlead services { 10.96.0.2 . tcp . 80 : goto vip_random_1 }
add element ip fairlead slots { 10.96.0.2 . tcp . 80 . 0 : 10.1.0.4 . 8080 }
`,
    ],
  ])('%s', (_what, services, script) => {
    expect(changeScript(diffPlans(before, planOf(services, before)))).toBe(script);
  });

  test('a new object with the same content: nothing', () => {
    const same = planOf([web({ a: '10.1.0.1', b: '10.1.0.2' }), service('api', { vip: '10.96.0.2' })], before);
    expect(isEmpty(diffPlans(before, same))).toBe(true);
  });

  test('a bridge more', () => {
    const bridges = [{ name: 'br-1', subnets: ['172.20.0.0/16'], gateways: [] }];
    expect(changeScript(diffPlans(before, { ...before, bridges }))).toBe(`add element ip fairlead bridges { "br-1" }
add element ip6 fairlead bridges { "br-1" }
add element ip fairlead neighbours { 172.20.0.0/16 . 172.20.0.0/16 }
`);
  });
});

/** What the kernel does with a change; throws as it would. */
function apply(contents: Contents, { removed, added }: Changes): Contents {
  const next = new Map([...contents].map(([set, elements]) => [set, new Map(elements)]));
  const of = ({ set }: Element) => next.get(set) ?? new Map<string, string>();
  for (const element of removed) if (!of(element).delete(element.key)) throw new Error(`no ${element.key}`);
  for (const element of added) {
    const elements = of(element);
    if (elements.has(element.key)) throw new Error(`${element.key} exists`);
    next.set(element.set, elements.set(element.key, element.value ?? ''));
  }
  return new Map([...next].filter(([, elements]) => elements.size > 0));
}

const sorted = (contents: Contents): unknown =>
  [...contents].map(([set, elements]) => [set, [...elements].sort(([a], [b]) => (a < b ? -1 : 1))]).sort();

const services = fc.uniqueArray(
  fc
    .record({
      n: fc.integer({ min: 1, max: 6 }),
      endpoints: fc.uniqueArray(fc.integer({ min: 1, max: 5 }), { maxLength: 5 }),
      publish: fc.boolean(),
      affinity: fc.constantFrom('none' as const, 'client-ip' as const),
    })
    .map(({ n, endpoints, publish, affinity }) =>
      service(`s${n}`, {
        vip: `10.96.0.${n}`,
        affinity: { kind: affinity },
        ports: [publish ? { publish: 8000 + n } : {}],
        endpoints: Object.fromEntries(endpoints.map((i) => [`e${i}`, `10.1.${n}.${i}`])),
      }),
    ),
  { selector: ({ key }) => key },
);

test('from any table to any other, by plans or from what was read back, the kernel ends with the same', () => {
  fc.assert(
    fc.property(services, services, (first, second) => {
      const before = planOf(first);
      const after = planOf(second, before);
      const [from, to] = [contentsOf(before, 4), contentsOf(after, 4)];
      expect(sorted(apply(from, diffPlans(before, after)))).toEqual(sorted(to));
      expect(sorted(apply(from, diffContents(4, from, to)))).toEqual(sorted(to));
      expect(isEmpty(diffContents(4, to, to))).toBe(true);
    }),
  );
});

describe('networks behind bridges', () => {
  const neighbours = (...subnets: readonly (readonly string[])[]) =>
    hostElements({
      ranges,
      bridges: subnets.map((own, i) => ({ name: `br${i}`, subnets: own, gateways: [] })),
    })
      .filter(({ set }) => set === 'neighbours')
      .map(({ key }) => key);

  // The kernel refuses overlapping elements, and with them the whole transaction.
  test.each<readonly [string, readonly (readonly string[])[], readonly string[]]>([
    ['a second address on a bridge', [['192.168.1.0/24', '192.168.1.100/32']], ['192.168.1.0/24 . 192.168.1.0/24']],
    ['nested on two bridges', [['10.1.0.0/16'], ['10.0.0.0/8']], ['10.0.0.0/8 . 10.0.0.0/8']],
    [
      'two of one bridge',
      [['10.1.0.0/16', '10.2.0.0/16']],
      [
        '10.1.0.0/16 . 10.1.0.0/16',
        '10.1.0.0/16 . 10.2.0.0/16',
        '10.2.0.0/16 . 10.1.0.0/16',
        '10.2.0.0/16 . 10.2.0.0/16',
      ],
    ],
  ])('%s', (_what, subnets, expected) => {
    expect(neighbours(...subnets)).toEqual(expected);
  });

  test('a bridge whose name nft does not take keeps nothing from being loaded', () => {
    const bridges = [{ name: 'lan#2', subnets: ['10.1.0.0/16'], gateways: [] }];
    expect(hostElements({ ranges, bridges }).map(({ set }) => set)).toEqual(['vip_range', 'neighbours']);
  });
});

test('a service of thousands of ports is no bigger than its elements', () => {
  const ports = Array.from({ length: 8200 }, (_, i) => ({ name: `${i}`, port: i + 1, protocol: 'udp' as const }));
  const voip = (state: 'passing' | 'critical') => {
    const { endpoints, ...rest } = service('voip', { vip: '10.96.0.1', endpoints: { a: '10.1.0.1', b: '10.1.0.2' } });
    const open = new Map(ports.map(({ name, port }) => [name, port]));
    const withPorts = endpoints.map((endpoint, i) => ({ ...endpoint, ports: open, ...(i === 0 ? { state } : {}) }));
    return { ...rest, ports, affinity: { kind: 'client-ip' } as const, endpoints: withPorts };
  };
  const before = planOf([voip('passing')]);
  expect(diffPlans(before, planOf([voip('critical')], before)).added.length).toBeGreaterThan(8200);
});
