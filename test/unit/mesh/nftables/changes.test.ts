import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Changes, diffContents, diffPlans, isEmpty } from '../../../../src/mesh/nftables/changes.ts';
import { type Contents, contentsOf, type Element } from '../../../../src/mesh/nftables/elements.ts';
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
add element ip fairlead neighbours { 172.20.0.0/16 . 172.20.0.0/16 }
add element ip6 fairlead bridges { "br-1" }
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
