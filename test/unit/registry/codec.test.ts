import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Registration } from '../../../src/model/service.ts';
import { decodeRow, encodeRow } from '../../../src/registry/codec.ts';
import { row } from '../../support/rows.ts';

const good = row('web', 'web-1:80', { stack: 'shop' });
const json = () => JSON.parse(encodeRow(good));
const { policy } = json();

/** The message for a row changed by `edit`; throws if it was accepted. */
function refused(edit: (value: Record<string, unknown>) => unknown): string {
  const value = json();
  const decoded = decodeRow(JSON.stringify(edit(value) ?? value), 'n1/web-1:80');
  if (decoded.ok) throw new Error('accepted');
  expect(decoded.problem.code).toBe('registry-row');
  expect(decoded.problem.subject).toBe('registry entry "n1/web-1:80"');
  return decoded.problem.message;
}

describe('row codec', () => {
  const name = fc.stringMatching(/^[a-z0-9]([a-z0-9_-]{0,20}[a-z0-9])?$/);
  const port = fc.integer({ min: 1, max: 65_535 });
  const rows: fc.Arbitrary<Registration> = fc.record(
    {
      id: fc.stringMatching(/^[\w.:@+-]{1,40}$/).map((local) => `n1.example/${local}`),
      node: fc.constant('n1.example'),
      service: fc.record({ name, stack: name }, { requiredKeys: ['name'] }),
      policy: fc.record(
        {
          ports: fc.array(
            fc.record(
              { name, port, protocol: fc.constantFrom('tcp', 'udp'), publish: port },
              { requiredKeys: ['name', 'port', 'protocol'] },
            ),
          ),
          affinity: fc.constantFrom(
            { kind: 'none' } as const,
            { kind: 'client-ip' } as const,
            { kind: 'client-ip', timeoutMs: 10_800_000 } as const,
          ),
          traffic: fc.constantFrom('cluster', 'prefer-local', 'local'),
          schedule: fc.constantFrom('random', 'source-hash'),
          vip: fc.constantFrom('auto', 'none', '10.96.0.7', 'fd00:f1::7'),
          drainMs: fc.nat(),
          http: fc.record(
            {
              host: fc.string(),
              path: fc.string(),
              priority: fc.integer(),
              sticky: fc.record({ cookie: fc.string(), mode: fc.constantFrom('prefix', 'insert', 'rewrite', 'learn') }),
            },
            { requiredKeys: [] },
          ),
        },
        { requiredKeys: ['ports', 'affinity', 'traffic', 'schedule', 'vip', 'drainMs'] },
      ),
      address: fc.ipV4(),
      address6: fc.constantFrom('fd00::1', '2001:db8::7'),
      ports: fc.dictionary(name, port).map((each) => new Map(Object.entries(each))),
      weight: fc.integer({ min: 0, max: 256 }),
      tags: fc.array(fc.string({ unit: 'binary' }), { maxLength: 10 }),
      meta: fc
        .dictionary(
          fc.string().filter((key) => key !== '__proto__'),
          fc.string(),
        )
        .map((each) => new Map(Object.entries(each))),
      container: fc.record({ id: fc.string(), name: fc.string(), image: fc.string() }),
      relay: fc.constantFrom('auto', 'always', 'never'),
      state: fc.constantFrom('passing', 'warning', 'critical', 'draining'),
      reason: fc.string({ unit: 'grapheme' }),
    },
    {
      requiredKeys: [
        'id',
        'node',
        'service',
        'policy',
        'address',
        'ports',
        'weight',
        'tags',
        'meta',
        'relay',
        'state',
        'reason',
      ],
    },
  );

  test('reads what it writes', () => {
    fc.assert(
      fc.property(rows, (each) => {
        expect(decodeRow(encodeRow(each), each.id)).toEqual({ ok: true, row: each });
      }),
    );
  });

  test('never throws, whatever it is given', () => {
    fc.assert(fc.property(fc.string(), (text) => decodeRow(text, 'x').ok === false));
    fc.assert(fc.property(fc.json(), (text) => decodeRow(text, 'x').ok === false));
    const keys = Object.keys(json());
    fc.assert(
      fc.property(fc.constantFrom(...keys), fc.jsonValue(), (key, value) => {
        decodeRow(JSON.stringify({ ...json(), [key]: value }), 'x');
      }),
    );
  });

  test('ignores fields it does not know, as an older agent must', () => {
    expect(decodeRow(JSON.stringify({ ...json(), later: 1 }), good.id)).toEqual({ ok: true, row: good });
  });

  test('takes addresses and names in their one spelling', () => {
    const text = JSON.stringify({ ...json(), address: 'FD00:0::1', service: { name: 'WEB' } });
    expect(decodeRow(text, good.id)).toMatchObject({ row: { address: 'fd00::1', service: { name: 'web' } } });
  });

  test.each<[string, (value: Record<string, unknown>) => unknown, string]>([
    ['an empty address', (value) => ({ ...value, address: '' }), 'address expected an IPv4 or IPv6 address, got ""'],
    ['an address of rules', (value) => ({ ...value, address: '1.2.3.4; flush ruleset' }), 'address expected an IPv4'],
    ['port 70000', (value) => ({ ...value, ports: { http: 70_000 } }), 'ports.http expected at most 65535, got 70000'],
    ['port 0', (value) => ({ ...value, ports: { http: 0 } }), 'ports.http expected at least 1, got 0'],
    ['half a port', (value) => ({ ...value, ports: { http: 80.5 } }), 'ports.http expected a whole number, got 80.5'],
    ['a name with quotes', (value) => ({ ...value, service: { name: 'we"b' } }), 'service.name expected a name'],
    ['a name with a newline', (value) => ({ ...value, service: { name: 'web\n' } }), 'service.name expected a name'],
    ['a name of 300 letters', (value) => ({ ...value, service: { name: 'w'.repeat(300) } }), 'service.name expected'],
    [
      'a stack of $(…)',
      (value) => ({ ...value, service: { name: 'web', stack: '$(reboot)' } }),
      'service.stack expected',
    ],
    [
      'a port name with braces',
      (value) => ({
        ...value,
        policy: { ...policy, ports: [{ name: '{}', port: 80, protocol: 'tcp' }] },
      }),
      'policy.ports[0].name expected a name',
    ],
    [
      'another protocol',
      (value) => ({
        ...value,
        policy: { ...policy, ports: [{ name: 'a', port: 80, protocol: 'sctp' }] },
      }),
      'policy.ports[0].protocol expected tcp, udp, got "sctp"',
    ],
    [
      'an unknown vip',
      (value) => ({ ...value, policy: { ...policy, vip: 'yes' } }),
      'policy.vip expected auto, none or an address',
    ],
    ['an id with a quote', (value) => ({ ...value, id: 'n1/we"b' }), 'id '],
    ['an id with a newline', (value) => ({ ...value, id: 'n1/web\n' }), 'id '],
    ['an id of another node', (value) => ({ ...value, id: 'n2/web-1:80' }), 'id does not begin with its node'],
    ['a weight of -1', (value) => ({ ...value, weight: -1 }), 'weight expected at least 0, got -1'],
    ['an unknown state', (value) => ({ ...value, state: 'sleepy' }), 'state expected passing'],
    ['no state', ({ state: _state, ...value }) => value, 'state expected passing'],
    ['no policy', ({ policy: _policy, ...value }) => value, 'policy is missing: expected a map of keys'],
    ['no version', ({ v: _v, ...value }) => value, 'its version is nothing and this agent reads 1'],
    ['a later version', (value) => ({ ...value, v: 2 }), 'its version is 2 and this agent reads 1'],
    ['a list', () => [], 'its version is nothing'],
    [
      'endless meta',
      (value) => ({ ...value, meta: Object.fromEntries(Array.from({ length: 999 }, (_, i) => [i, ''])) }),
      'meta expected at most 256 entries, got 999',
    ],
  ])('refuses %s, and says where', (_, edit, message) => {
    expect(refused(edit)).toContain(message);
  });

  test('refuses what is not JSON', () => {
    expect(decodeRow('{"v":1', 'n1/a')).toMatchObject({
      ok: false,
      problem: { message: expect.stringContaining('not JSON') },
    });
  });
});
