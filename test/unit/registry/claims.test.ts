import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Claims, claimKeys } from '../../../src/model/claims.ts';
import { defaultPolicy } from '../../../src/model/policy.ts';
import type { ServicePolicy } from '../../../src/model/service.ts';
import { type ClaimPlan, type ClaimsInput, planClaims, VIP_HOLD_MS } from '../../../src/registry/claims.ts';

const NOW = Date.UTC(2026, 0, 2);
const HOUR = 3_600_000;

interface Wanted {
  readonly vip?: string;
  /** `tcp/8080` */
  readonly publish?: readonly string[];
}

function policy({ vip = 'auto', publish = [] }: Wanted): ServicePolicy {
  const ports = publish.map((text, i) => {
    const [protocol, port] = text.split('/');
    return {
      name: `p${i}`,
      port: 80 + i,
      protocol: protocol === 'udp' ? 'udp' : 'tcp',
      publish: Number(port),
    } as const;
  });
  return { ...defaultPolicy, vip, ports };
}

const input = (
  wanted: Record<string, Wanted>,
  claims: Claims = new Map(),
  rest: Partial<ClaimsInput> = {},
): ClaimsInput => ({
  services: new Map(Object.entries(wanted).map(([key, each]) => [key, { policy: policy(each) }])),
  claims,
  vipCidr: '10.96.0.0/16',
  vipCidr6: '',
  now: NOW,
  ...rest,
});

/** The registry after the plan, with nobody else writing. */
function apply(claims: Claims, plan: ClaimPlan): Claims {
  const next = new Map(claims);
  for (const [key, value] of plan.releases) if (next.get(key) === value) next.delete(key);
  for (const claim of plan.claims) {
    for (const [key, value] of claim) expect([undefined, value]).toContain(next.get(key));
    for (const [key, value] of claim) next.set(key, value);
  }
  return next;
}

/** Plans until nothing is left to do, as the agent does over a few pictures. */
function settle(first: ClaimsInput): { claims: Claims; plan: ClaimPlan } {
  let claims = first.claims;
  for (let round = 0; round < 5; round++) {
    const plan = planClaims({ ...first, claims });
    if (plan.claims.length === 0 && plan.releases.size === 0) return { claims, plan };
    claims = apply(claims, plan);
  }
  throw new Error('does not settle');
}

const vip = (service: string, address: string): [string, string][] => [
  [address.includes(':') ? claimKeys.vip6OfService(service) : claimKeys.vipOfService(service), address],
  [claimKeys.serviceOfVip(address), service],
];
const codes = (plan: ClaimPlan) => plan.problems.map((problem) => problem.code);
const iso = (ms: number) => new Date(ms).toISOString();

describe('virtual addresses', () => {
  test('each service gets one, the same after every loss of the registry', () => {
    const wanted = { web: {}, 'web.shop': {}, api: {} };
    const { claims, plan } = settle(input(wanted));
    expect(plan.problems).toEqual([]);
    const addresses = Object.keys(wanted).map((key) => claims.get(claimKeys.vipOfService(key)));
    expect(new Set(addresses).size).toBe(3);
    for (const [i, key] of Object.keys(wanted).entries()) {
      expect(claims.get(claimKeys.serviceOfVip(addresses[i] ?? ''))).toBe(key);
    }
    expect(settle(input({ api: {}, 'web.shop': {}, web: {} })).claims).toEqual(claims);
  });

  test('both families where there is a range for both', () => {
    const { claims } = settle(input({ web: {} }, new Map(), { vipCidr6: 'fd00:f1::/112' }));
    expect(claims.get(claimKeys.vip6OfService('web'))).toMatch(/^fd00:f1::[\da-f]{1,4}$/);
    expect(claims.size).toBe(4);
    expect(settle(input({ web: {} }, claims)).claims.size).toBe(2);
  });

  test('vip: none has none, and gives back what it had', () => {
    expect(settle(input({ web: { vip: 'none' } })).claims.size).toBe(0);
    expect(settle(input({ web: { vip: 'none' } }, new Map(vip('web', '10.96.0.9')))).claims.size).toBe(0);
  });

  test('a fixed address is taken, for an earlier one too', () => {
    const wanted = { web: { vip: '10.96.0.7' } };
    expect(settle(input(wanted)).claims).toEqual(new Map(vip('web', '10.96.0.7')));
    expect(settle(input(wanted, new Map(vip('web', '10.96.9.9')))).claims).toEqual(new Map(vip('web', '10.96.0.7')));
  });

  test('a fixed IPv6 address leaves the IPv4 one to be chosen', () => {
    const { claims } = settle(input({ web: { vip: 'FD00:f1:0::7' } }, new Map(), { vipCidr6: 'fd00:f1::/112' }));
    expect(claims.get(claimKeys.vip6OfService('web'))).toBe('fd00:f1::7');
    expect(claims.get(claimKeys.vipOfService('web'))).toMatch(/^10\.96\./);
  });

  test.each(['10.97.0.1', '10.96.0.0', '10.96.255.255', 'nonsense'])(
    'fixed to %s it is told and keeps what it has',
    (address) => {
      const claims = new Map(vip('web', '10.96.9.9'));
      const settled = settle(input({ web: { vip: address } }, claims));
      expect(settled.claims).toEqual(claims);
      expect(codes(settled.plan)).toEqual(['vip-outside']);
      expect(settled.plan.problems[0]).toMatchObject({
        subject: 'service web',
        message: expect.stringContaining('10.96.0.0/16'),
      });
    },
  );

  test('a fixed address that another service holds is not taken from it', () => {
    const claims = new Map(vip('api', '10.96.0.7'));
    const settled = settle(input({ web: { vip: '10.96.0.7' }, api: {} }, claims));
    expect(settled.claims).toEqual(claims);
    expect(codes(settled.plan)).toEqual(['vip-taken']);
    expect(settled.plan.problems[0]?.message).toContain('service api');
  });

  test('of two that ask for one address at once the first by name has it', () => {
    const { claims, plan } = settle(input({ web: { vip: '10.96.0.7' }, api: { vip: '10.96.0.7' } }));
    expect(claims).toEqual(new Map(vip('api', '10.96.0.7')));
    expect(plan.problems.map((problem) => problem.subject)).toEqual(['service web']);
  });

  test('a fixed address wins over the same one chosen in the same plan', () => {
    const chosen = settle(input({ web: {} })).claims.get(claimKeys.vipOfService('web')) ?? '';
    const { claims, plan } = settle(input({ web: {}, zoo: { vip: chosen } }));
    expect(plan.problems).toEqual([]);
    expect(claims.get(claimKeys.serviceOfVip(chosen))).toBe('zoo');
  });

  test('an address that idles yields to who asks for it by number', () => {
    const idle = new Map([...vip('old', '10.96.0.7'), [claimKeys.vipIdle('old'), iso(NOW - HOUR)] as const]);
    const { claims, plan } = settle(input({ web: { vip: '10.96.0.7' } }, idle));
    expect(claims).toEqual(new Map(vip('web', '10.96.0.7')));
    expect(plan.problems).toEqual([]);
  });

  test('an address outside a range that changed is exchanged', () => {
    const { claims } = settle(input({ web: {} }, new Map(vip('web', '10.200.0.7'))));
    expect(claims.get(claimKeys.vipOfService('web'))).toMatch(/^10\.96\./);
    expect(claims.size).toBe(2);
  });

  test('an exhausted range is one problem that names it and who has none', () => {
    const wanted = Object.fromEntries(['a', 'b', 'c', 'd'].map((key) => [key, {}]));
    const { claims, plan } = settle(input(wanted, new Map(), { vipCidr: '10.96.0.0/30' }));
    expect(claims.size).toBe(4);
    expect(codes(plan)).toEqual(['vip-exhausted']);
    expect(plan.problems[0]?.subject).toBe('VIP range 10.96.0.0/30');
    expect(plan.problems[0]?.message).toMatch(/all 2 addresses are taken, none is left for c, d; .*mesh\.vipCidr/);
  });

  test.each<[string, [string, string][]]>([
    [
      'an address whose service holds another',
      [...vip('web', '10.96.0.7'), [claimKeys.serviceOfVip('10.96.0.8'), 'web']],
    ],
    ['an address of a service without any', [[claimKeys.serviceOfVip('10.96.0.8'), 'gone']]],
    ['a name whose address is not claimed', [[claimKeys.vipOfService('web'), '10.96.0.7']]],
    ['a name whose address another has', [[claimKeys.vipOfService('web'), '10.96.0.8'], ...vip('api', '10.96.0.8')]],
    ['an idle mark without an address', [[claimKeys.vipIdle('gone'), iso(NOW)]]],
  ])('repairs %s', (_, broken) => {
    const { claims } = settle(input({ web: {}, api: {} }, new Map(broken)));
    expect(claims.size).toBe(4);
    for (const key of ['web', 'api']) {
      expect(claims.get(claimKeys.serviceOfVip(claims.get(claimKeys.vipOfService(key)) ?? ''))).toBe(key);
    }
  });

  test('any mixture settles: every address has one service, every service one address or a problem', () => {
    const wanted = fc.dictionary(
      fc.constantFrom(...'abcdefgh'),
      fc.record({ vip: fc.constantFrom('auto', 'auto', 'none', '10.96.0.1', '10.96.0.2', '10.96.0.9') }),
    );
    fc.assert(
      fc.property(wanted, wanted, (before, after) => {
        const cidr = { vipCidr: '10.96.0.0/29' };
        const { claims, plan } = settle(input(after, settle(input(before, new Map(), cidr)).claims, cidr));
        for (const [claim, value] of claims) {
          if (claim.startsWith('vip/name/')) expect(claims.get(claimKeys.serviceOfVip(value))).toBe(claim.slice(9));
        }
        const without = Object.entries(after).filter(
          ([key, each]) => each.vip !== 'none' && !claims.has(claimKeys.vipOfService(key)),
        );
        if (without.length > 0) expect(plan.problems).not.toEqual([]);
      }),
    );
  });
});

describe('the hold of an idle address', () => {
  const held = new Map(vip('web', '10.96.0.7'));
  const marked = (since: string) => new Map([...held, [claimKeys.vipIdle('web'), since]]);

  test('is marked when the last endpoint goes, and lifted when one comes', () => {
    const { claims } = settle(input({}, held));
    expect(claims).toEqual(marked(iso(NOW)));
    expect(settle(input({ web: {} }, claims)).claims).toEqual(held);
  });

  test.each<[string, string, 'kept' | 'freed' | 'begun anew']>([
    ['just begun', iso(NOW), 'kept'],
    ['nearly over', iso(NOW - VIP_HOLD_MS + 1), 'kept'],
    ['over', iso(NOW - VIP_HOLD_MS), 'freed'],
    ['over, noticed late', iso(NOW - VIP_HOLD_MS - HOUR / 2), 'freed'],
    ['over for so long that nobody watched', iso(NOW - VIP_HOLD_MS - 2 * HOUR), 'begun anew'],
    ['from 1970, as a host without a clock boots', iso(0), 'begun anew'],
    ['a second ahead of this clock', iso(NOW + 1000), 'begun anew'],
    ['from 2040', iso(Date.UTC(2040, 0)), 'begun anew'],
    ['no time at all', 'yesterday', 'begun anew'],
  ])('%s', (_, since, outcome) => {
    const { claims } = settle(input({}, marked(since)));
    if (outcome === 'freed') expect(claims.size).toBe(0);
    else expect(claims).toEqual(marked(outcome === 'kept' ? since : iso(NOW)));
  });

  test('ends for both families together', () => {
    const both = new Map([...marked(iso(NOW - VIP_HOLD_MS)), ...vip('web', 'fd00:f1::7')]);
    expect(settle(input({}, both, { vipCidr6: 'fd00:f1::/112' })).claims.size).toBe(0);
  });

  test('is over at once outside a range that changed', () => {
    expect(settle(input({}, marked(iso(NOW)), { vipCidr: '10.97.0.0/16' })).claims.size).toBe(0);
    expect(settle(input({}, held, { vipCidr: '10.97.0.0/16' })).claims.size).toBe(0);
  });

  test('goes on in the family whose range is still the same', () => {
    const claims = new Map([...marked(iso(NOW)), ...vip('web', 'fd00:f1::7')]);
    const kept6 = new Map([...vip('web', 'fd00:f1::7'), [claimKeys.vipIdle('web'), iso(NOW)] as const]);
    const ranges = { vipCidr: '10.97.0.0/16', vipCidr6: 'fd00:f1::/112' };
    expect(settle(input({}, claims, ranges)).claims).toEqual(kept6);
    const changed6 = { vipCidr: '10.96.0.0/16', vipCidr6: 'fd00:f2::/112' };
    expect(settle(input({}, claims, changed6)).claims).toEqual(marked(iso(NOW)));
  });
});

describe('published ports', () => {
  test('belong to who asks, until nobody does', () => {
    const { claims, plan } = settle(input({ web: { vip: 'none', publish: ['tcp/8080', 'udp/8080'] } }));
    expect(claims).toEqual(
      new Map([
        ['port/tcp/8080', 'web'],
        ['port/udp/8080', 'web'],
      ]),
    );
    expect(plan.problems).toEqual([]);
    expect(settle(input({ web: { vip: 'none', publish: ['udp/8080'] } }, claims)).claims.size).toBe(1);
    expect(settle(input({}, claims)).claims.size).toBe(0);
  });

  test('the first holder keeps it, the others are told whose it is', () => {
    const wanted = { api: { vip: 'none', publish: ['tcp/80'] }, web: { vip: 'none', publish: ['tcp/80'] } };
    const { claims, plan } = settle(input(wanted, new Map([['port/tcp/80', 'web']])));
    expect(claims).toEqual(new Map([['port/tcp/80', 'web']]));
    expect(plan.problems).toEqual([
      { code: 'port-conflict', subject: 'tcp/80', message: expect.stringMatching(/service api .* service web /) },
    ]);
  });

  test('of two at once the first by name has it, and the other follows when it is gone', () => {
    const [api, web] = [
      { vip: 'none', publish: ['tcp/80'] },
      { vip: 'none', publish: ['tcp/80'] },
    ];
    const both = settle(input({ web, api }));
    expect(both.claims).toEqual(new Map([['port/tcp/80', 'api']]));
    expect(codes(both.plan)).toEqual(['port-conflict']);
    const one = settle(input({ web }, both.claims));
    expect(one.claims).toEqual(new Map([['port/tcp/80', 'web']]));
    expect(one.plan.problems).toEqual([]);
  });
});

describe('planning again', () => {
  test('the same input gives the same plan back, an equal one too', () => {
    const wanted = { web: { publish: ['tcp/80'] }, api: { publish: ['tcp/80'] } };
    const { claims, plan } = settle(input(wanted));
    expect(planClaims(input(wanted, claims, { now: NOW + HOUR }), plan)).toBe(plan);
    const other = planClaims(input({ ...wanted, dns: {} }, claims), plan);
    expect(other.claims).toHaveLength(1);
    expect(other.problems).toBe(plan.problems);
  });

  test.each<[string, (before: ClaimsInput) => ClaimsInput]>([
    [
      'a service more',
      (before) => ({ ...before, services: new Map([...before.services, ['dns', { policy: policy({}) }]]) }),
    ],
    ['another service', (before) => ({ ...before, services: new Map([['dns', { policy: policy({}) }]]) })],
    ['another vip', (before) => ({ ...before, services: new Map([['web', { policy: policy({ vip: 'none' }) }]]) })],
    [
      'another port',
      (before) => ({ ...before, services: new Map([['web', { policy: policy({ publish: ['tcp/1'] }) }]]) }),
    ],
    ['other claims', (before) => ({ ...before, claims: new Map() })],
    ['another range', (before) => ({ ...before, vipCidr: '10.97.0.0/16' })],
    ['a range more', (before) => ({ ...before, vipCidr6: 'fd00::/112' })],
    ['an hour back', (before) => ({ ...before, now: before.now - HOUR })],
  ])('%s is planned', (_, edit) => {
    const { plan } = settle(input({ web: {} }));
    expect(planClaims(edit(plan.input), plan)).not.toBe(plan);
  });

  test('says when time alone will change the plan', () => {
    const claims = new Map([
      ...vip('web', '10.96.0.7'),
      [claimKeys.vipIdle('web'), iso(NOW - HOUR)] as const,
      ...vip('api', '10.96.0.8'),
      [claimKeys.vipIdle('api'), iso(NOW - 2 * HOUR)] as const,
    ]);
    const plan = planClaims(input({}, claims));
    expect(plan.reviewAt).toBe(NOW + VIP_HOLD_MS - 2 * HOUR);
    expect(planClaims(input({}, claims, { now: plan.reviewAt - 1 }), plan)).toBe(plan);
    expect(planClaims(input({}, claims, { now: plan.reviewAt }), plan).releases.size).toBe(3);
    expect(planClaims(input({ web: {} })).reviewAt).toBe(Number.POSITIVE_INFINITY);
  });

  test('10,000 services settle in one plan', () => {
    const wanted = Object.fromEntries(
      Array.from({ length: 10_000 }, (_, i) => [`s${i}`, { publish: [`tcp/${i + 1}`] }]),
    );
    const { claims, plan } = settle(input(wanted));
    expect(claims.size).toBe(30_000);
    expect(plan.problems).toEqual([]);
  });
});
