import { describe, expect, test } from 'vitest';
import { type Listener, planMesh, planService } from '../../../src/mesh/plan.ts';
import type { HostFacts } from '../../../src/model/host.ts';
import { type EndpointOptions, type ServiceOptions, service, table } from '../../support/services.ts';

const facts: HostFacts = { node: 'n1', nodeAddress: '192.168.50.1', bridges: [], addresses: [] };
const ranges = { vipCidr: '10.96.0.0/16', vipCidr6: '' };

/** `4 10.96.0.1:80/tcp random → 10.1.0.1:8080 10.1.0.2:8080` */
function tell({ family, vip, port, protocol, action }: Listener): string {
  const where = `${family} ${vip ?? '*'}:${port}/${protocol}`;
  if (action.kind !== 'balance') return `${where} ${action.kind}`;
  const targets = new Set(action.slots.map((target) => `${target.address}:${target.port}`));
  return `${where} ${action.spread} ${[...targets].sort().join(' ')}`;
}

const plan = (options: ServiceOptions): readonly string[] =>
  planService(service('web', options), facts).listeners.map(tell);

const a = '10.1.0.1';
const b: EndpointOptions = { address: '10.1.0.2', node: 'n2' };
const both: EndpointOptions = { address: '10.1.0.3', address6: 'fd00:1::3' };

test.each<readonly [string, ServiceOptions, readonly string[]]>([
  ['a VIP', { vip: '10.96.0.1', endpoints: { a, b } }, ['4 10.96.0.1:80/tcp random 10.1.0.1:8080 10.1.0.2:8080']],
  ['no VIP, nothing published', { endpoints: { a } }, []],
  [
    'a published port without VIP',
    { ports: [{ publish: 8000 }], endpoints: { a } },
    ['4 *:8000/tcp random 10.1.0.1:8080'],
  ],
  [
    'both, several ports, one the endpoint does not have',
    {
      vip: '10.96.0.1',
      ports: [{ publish: 8000 }, { name: 'dns', port: 53, protocol: 'udp' }],
      endpoints: {
        a,
        b: {
          ...b,
          ports: new Map([
            ['http', 1],
            ['dns', 5353],
          ]),
        },
      },
    },
    [
      '4 10.96.0.1:80/tcp random 10.1.0.1:8080 10.1.0.2:1',
      '4 *:8000/tcp random 10.1.0.1:8080 10.1.0.2:1',
      '4 10.96.0.1:53/udp random 10.1.0.2:5353',
    ],
  ],
  [
    'no endpoint',
    { vip: '10.96.0.1', ports: [{ publish: 8000 }] },
    ['4 10.96.0.1:80/tcp refuse', '4 *:8000/tcp refuse'],
  ],
  [
    'none in rotation',
    { vip: '10.96.0.1', endpoints: { a: { address: a, state: 'draining' } } },
    ['4 10.96.0.1:80/tcp refuse'],
  ],
  [
    'a warning stays in',
    { vip: '10.96.0.1', endpoints: { a: { address: a, state: 'warning' } } },
    ['4 10.96.0.1:80/tcp random 10.1.0.1:8080'],
  ],
  [
    'weight 0 stays out',
    { vip: '10.96.0.1', endpoints: { a, b: { ...b, weight: 0 } } },
    ['4 10.96.0.1:80/tcp random 10.1.0.1:8080'],
  ],
  ['local', { vip: '10.96.0.1', traffic: 'local', endpoints: { a, b } }, ['4 10.96.0.1:80/tcp random 10.1.0.1:8080']],
  ['local, none here', { vip: '10.96.0.1', traffic: 'local', endpoints: { b } }, ['4 10.96.0.1:80/tcp drop']],
  ['local, none anywhere', { vip: '10.96.0.1', traffic: 'local' }, ['4 10.96.0.1:80/tcp refuse']],
  [
    'prefer-local',
    { vip: '10.96.0.1', traffic: 'prefer-local', endpoints: { a, b } },
    ['4 10.96.0.1:80/tcp random 10.1.0.1:8080'],
  ],
  [
    'prefer-local, none here',
    { vip: '10.96.0.1', traffic: 'prefer-local', endpoints: { b } },
    ['4 10.96.0.1:80/tcp random 10.1.0.2:8080'],
  ],
  [
    'client-ip',
    { vip: '10.96.0.1', affinity: { kind: 'client-ip' }, endpoints: { a } },
    ['4 10.96.0.1:80/tcp client-ip 10.1.0.1:8080'],
  ],
  [
    'client-ip for a time, and before the schedule',
    { vip: '10.96.0.1', affinity: { kind: 'client-ip', timeoutMs: 5000 }, schedule: 'source-hash', endpoints: { a } },
    ['4 10.96.0.1:80/tcp client-ip 10.1.0.1:8080'],
  ],
  [
    'source-hash',
    { vip: '10.96.0.1', schedule: 'source-hash', endpoints: { a } },
    ['4 10.96.0.1:80/tcp source-hash 10.1.0.1:8080'],
  ],
  [
    'two families',
    { vip: '10.96.0.1', vip6: 'fd00:f1::1', ports: [{ publish: 8000 }], endpoints: { a, both } },
    [
      '4 10.96.0.1:80/tcp random 10.1.0.1:8080 10.1.0.3:8080',
      '4 *:8000/tcp random 10.1.0.1:8080 10.1.0.3:8080',
      '6 fd00:f1::1:80/tcp random fd00:1::3:8080',
      '6 *:8000/tcp random fd00:1::3:8080',
    ],
  ],
  [
    'two families, none in rotation: refused in both',
    { vip: '10.96.0.1', vip6: 'fd00:f1::1', endpoints: { both: { ...both, state: 'critical' } } },
    ['4 10.96.0.1:80/tcp refuse', '6 fd00:f1::1:80/tcp refuse'],
  ],
  [
    'an IPv6 endpoint alone, in another spelling',
    { vip: '10.96.0.1', vip6: 'fd00:f1::1', endpoints: { six: { address: 'FD00:1:0::0:3' } } },
    ['6 fd00:f1::1:80/tcp random fd00:1::3:8080'],
  ],
  [
    'addresses that are none, or not what they seem',
    {
      vip: '10.96.0.1',
      endpoints: {
        a,
        name: { address: 'db.example.com' },
        rule: { address: '10.1.0.9; flush ruleset' },
        zone: { address: 'fe80::1%eth0' },
        mapped: { address: '::ffff:10.1.0.8' },
      },
    },
    ['4 10.96.0.1:80/tcp random 10.1.0.1:8080'],
  ],
])('%s', (_what, options, expected) => {
  expect(plan(options)).toEqual(expected);
});

test('backends are counted once a service', () => {
  const web = service('web', {
    vip: '10.96.0.1',
    vip6: 'fd00:f1::1',
    ports: [{ publish: 8000 }],
    endpoints: { a, b, both },
  });
  expect(planService(web, facts).backends).toBe(3);
});

describe('a plan of a table', () => {
  const web = service('web', { vip: '10.96.0.1', endpoints: { a } });
  const api = service('api', { vip: '10.96.0.2', traffic: 'local', endpoints: { a } });
  const first = planMesh({ table: table(1, web, api), facts, ranges });

  test('keeps what did not change', () => {
    const changed = service('web', { vip: '10.96.0.1', endpoints: { b } });
    const second = planMesh({ table: table(2, changed, api), facts: { ...facts, bridges: [] }, ranges }, first);
    expect(second.services.get('api')).toBe(first.services.get('api'));
    expect(second.services.get('web')).not.toBe(first.services.get('web'));
    expect(second.revision).toBe(2);
  });

  test('is made anew on a node of another name', () => {
    const second = planMesh({ table: table(2, web, api), facts: { ...facts, node: 'n2' }, ranges }, first);
    expect(second.services.get('api')?.listeners.map(tell)).toEqual(['4 10.96.0.2:80/tcp drop']);
  });
});
