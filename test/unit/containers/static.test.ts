import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decodeStaticServices } from '../../../src/containers/static.ts';

const endpoint = { id: 'web-1', address: '10.1.1.2', port: 3000 };
const web = { name: 'web', ports: [{ port: 80 }], endpoints: [endpoint] };

/** Each problem's message without where it is. */
const messages = (input: unknown) =>
  decodeStaticServices(input, 'FILE').problems.map(({ message }) => message.replace('FILE: ', ''));

describe('what an entry means', () => {
  test('the least one can say', () => {
    expect(decodeStaticServices([web], 'FILE')).toEqual({
      problems: [],
      workloads: [
        {
          localId: 'web-1',
          service: { name: 'web' },
          policy: {
            ports: [{ name: '80', port: 80, protocol: 'tcp' }],
            affinity: { kind: 'none' },
            traffic: 'cluster',
            schedule: 'random',
            vip: 'auto',
            drainMs: 10_000,
          },
          address: '10.1.1.2',
          ports: new Map([['80', 3000]]),
          weight: 1,
          tags: [],
          meta: new Map(),
          relay: 'auto',
          health: { state: 'passing', reason: '' },
        },
      ],
    });
  });

  test('the most', () => {
    const { workloads, problems } = decodeStaticServices(
      [
        {
          name: 'Web',
          stack: 'Shop',
          ports: [
            { name: 'HTTP', port: 80, publish: 8080 },
            { name: 'dns', port: 53, protocol: 'udp' },
          ],
          affinity: 'client-ip:3h',
          traffic: 'prefer-local',
          schedule: 'source-hash',
          vip: '10.96.0.7',
          drain: '1m',
          http: { host: '*.Example.com', path: '/', priority: 5, sticky: { cookie: 'connect.sid' } },
          endpoints: [
            {
              id: 'Web-1',
              address: 'FD00::0:1',
              port: { http: 3000, DNS: 5353 },
              weight: 0,
              relay: 'never',
              check: { exec: ['/bin/check', '-v'], interval: '5s', timeout: '500ms', rise: 1, fall: 1 },
            },
          ],
        },
      ],
      'FILE',
    );
    expect(problems).toEqual([]);
    expect(workloads).toMatchObject([
      {
        localId: 'web-1',
        service: { name: 'web', stack: 'shop' },
        policy: {
          ports: [
            { name: 'http', port: 80, protocol: 'tcp', publish: 8080 },
            { name: 'dns', port: 53, protocol: 'udp' },
          ],
          affinity: { kind: 'client-ip', timeoutMs: 10_800_000 },
          traffic: 'prefer-local',
          schedule: 'source-hash',
          vip: '10.96.0.7',
          drainMs: 60_000,
          http: { host: '*.example.com', path: '/', priority: 5, sticky: { cookie: 'connect.sid', mode: 'prefix' } },
        },
        address: 'fd00::1',
        weight: 0,
        relay: 'never',
        check: {
          probe: { kind: 'exec', command: ['/bin/check', '-v'] },
          intervalMs: 5000,
          timeoutMs: 500,
          rise: 1,
          fall: 1,
        },
      },
    ]);
    expect(workloads[0]?.ports).toEqual(
      new Map([
        ['http', 3000],
        ['dns', 5353],
      ]),
    );
  });

  test.each([
    [{ http: '/healthz' }, { kind: 'http', path: '/healthz' }],
    [{ tcp: true }, { kind: 'tcp' }],
  ])('check %j', (check, probe) => {
    const { workloads } = decodeStaticServices([{ ...web, endpoints: [{ ...endpoint, check }] }], 'FILE');
    expect(workloads[0]?.check).toEqual({ probe, intervalMs: 2000, timeoutMs: 1000, rise: 2, fall: 3 });
  });

  test('one number stands for the same port over both protocols', () => {
    const ports = [
      { name: 'dns', port: 53, protocol: 'udp' },
      { name: 'dns-tcp', port: 53 },
    ];
    const { workloads } = decodeStaticServices([{ ...web, ports, endpoints: [{ ...endpoint, port: 5353 }] }], 'FILE');
    expect(workloads[0]?.ports).toEqual(
      new Map([
        ['dns', 5353],
        ['dns-tcp', 5353],
      ]),
    );
  });

  test('two entries may add endpoints to one service', () => {
    const more = { ...web, endpoints: [{ ...endpoint, id: 'web-2' }] };
    expect(decodeStaticServices([web, more], 'FILE').workloads.map(({ localId }) => localId)).toEqual([
      'web-1',
      'web-2',
    ]);
  });
});

describe('what is wrong with an entry', () => {
  test.each<[string, unknown, string]>([
    ['no entry', 5, '[0]: expected a map of keys, got 5'],
    ['nothing', null, '[0]: expected a map of keys, got nothing'],
    ['an unknown key', { ...web, endpoint: [] }, '[0].endpoint: unknown key; did you mean "endpoints"?'],
    [
      'a port twice',
      { ...web, ports: [{ port: 80 }, { port: 80, name: 'b' }] },
      '[0].ports[1].port: tcp port 80 stands here twice',
    ],
    [
      'a port name twice',
      {
        ...web,
        ports: [
          { port: 80, name: 'a' },
          { port: 81, name: 'A' },
        ],
        endpoints: [{ ...endpoint, port: { a: 1 } }],
      },
      '[0].ports[1].name: a stands here twice',
    ],
    [
      'a published port twice',
      {
        ...web,
        ports: [
          { port: 80, publish: 1 },
          { port: 81, publish: 1 },
        ],
        endpoints: [{ ...endpoint, port: { 80: 1, 81: 1 } }],
      },
      '[0].ports[1].publish: tcp port 1 stands here twice',
    ],
    [
      'a number for two ports',
      {
        ...web,
        ports: [
          { port: 80, name: 'http' },
          { port: 443, name: 'https' },
        ],
      },
      '[0].endpoints[0].port: expected a map with the keys http, https, got 3000',
    ],
    [
      'a port the service has not, and not the one it has',
      { ...web, ports: [{ port: 80, name: 'http' }], endpoints: [{ ...endpoint, port: { htp: 1 } }] },
      '[0].endpoints[0].port.htp: the service has no such port; did you mean "http"?; [0].endpoints[0].port: the port http of the service is missing',
    ],
    ['no ports', { ...web, ports: [] }, '[0].ports: expected one port at least'],
    ['no endpoints', { ...web, endpoints: [] }, '[0].endpoints: expected one endpoint at least'],
    [
      'a port out of range',
      { ...web, ports: [{ port: 65_536 }] },
      '[0].ports[0].port: expected at most 65535, got 65536',
    ],
    [
      'a missing key',
      { ...web, endpoints: [{ id: 'a', port: 80 }] },
      '[0].endpoints[0].address: is missing: expected text',
    ],
    [
      'a check of two kinds',
      { ...web, endpoints: [{ ...endpoint, check: { tcp: true, http: '/' } }] },
      '[0].endpoints[0].check: expected exactly one of http, tcp and exec',
    ],
    [
      'a weight too large',
      { ...web, endpoints: [{ ...endpoint, weight: 257 }] },
      '[0].endpoints[0].weight: expected at most 256, got 257',
    ],
    [
      'a traffic there is not',
      { ...web, traffic: 'prefer-locl' },
      '[0].traffic: expected cluster, prefer-local, local, got "prefer-locl"; did you mean "prefer-local"?',
    ],
    [
      'an affinity too short',
      { ...web, affinity: 'client-ip:1ms' },
      '[0].affinity: expected none, client-ip or client-ip:3h, got "client-ip:1ms"',
    ],
    [
      'an id twice',
      { ...web, endpoints: [endpoint, endpoint] },
      '[0].endpoints[1].id: "web-1" is already the id of another endpoint',
    ],
  ])('%s', (_, entry, message) => {
    expect(messages([entry])).toEqual([message]);
  });

  test.each(['a b', 'a"b', 'a\nb', '{a}', '$(reboot)', '`x`', '-a', 'a.b', '../a', 'ä', '', 'x'.repeat(300)])(
    'the name %j is refused everywhere',
    (name) => {
      for (const entry of [
        { ...web, name },
        { ...web, stack: name },
        { ...web, ports: [{ port: 80, name }] },
        { ...web, endpoints: [{ ...endpoint, id: name }] },
      ]) {
        const { workloads, problems } = decodeStaticServices([entry], 'FILE');
        expect(workloads).toEqual([]);
        expect(problems).toHaveLength(1);
        expect(problems[0]?.message).not.toMatch(/[\n\r]/);
        expect(problems[0]?.message.length).toBeLessThan(400);
      }
    },
  );

  test.each(['0.0.0.0', '::', '224.0.0.1', '255.255.255.255', '0x7f.1', '::ffff:1.2.3.4', 'fe80::1%lo', 'host'])(
    'the address %j is nobody',
    (address) => {
      expect(messages([{ ...web, endpoints: [{ ...endpoint, address }] }])).toEqual([
        expect.stringContaining(`got ${JSON.stringify(address)}`),
      ]);
    },
  );

  test('a bad entry leaves the others alone, and problems name the service', () => {
    const input = [
      web,
      { ...web, name: 'bad', stack: 'shop', vip: 5 },
      { ...web, name: 'c', endpoints: [{ ...endpoint, id: 'c-1' }] },
    ];
    const { workloads, problems } = decodeStaticServices(input, '/etc/s.yaml');
    expect(workloads.map(({ localId }) => localId)).toEqual(['web-1', 'c-1']);
    expect(problems).toEqual([
      { code: 'static-service', subject: 'service bad.shop', message: '/etc/s.yaml: [1].vip: expected text, got 5' },
    ]);
  });

  test.each([undefined, null, {}, 'x', { services: [] }])('%j is no list', (input) => {
    expect(decodeStaticServices(input, 'FILE')).toMatchObject({ workloads: [], problems: [{ subject: 'FILE' }] });
  });

  test('anything at all is either understood or a problem, never an exception', () => {
    const entry = fc.record(
      {
        name: fc.oneof(fc.constant('web'), fc.anything()),
        stack: fc.anything(),
        ports: fc.oneof(fc.constant([{ port: 80 }]), fc.anything()),
        endpoints: fc.oneof(fc.constant([endpoint]), fc.anything()),
        vip: fc.anything(),
        http: fc.anything(),
      },
      { requiredKeys: ['name', 'ports', 'endpoints'] },
    );
    fc.assert(
      fc.property(fc.array(fc.oneof(entry, fc.anything()), { minLength: 1, maxLength: 3 }), (input) => {
        const { workloads, problems } = decodeStaticServices(input, 'FILE');
        expect(workloads.length + problems.length).toBeGreaterThan(0);
      }),
    );
  });
});
