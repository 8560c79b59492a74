import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ConfigError, type ConfigSources, loadConfig } from '../../../src/config/load.ts';

let folder: string;
let file: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fairlead-config-'));
  file = join(folder, 'fairlead.yaml');
});
afterEach(async () => await rm(folder, { recursive: true }));

/** The errors of a configuration, the file's path left out of them. */
async function errorsOf(text: string | Buffer, more: ConfigSources = {}): Promise<readonly string[]> {
  await writeFile(file, text);
  const error: unknown = await loadConfig({ file, ...more }).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof ConfigError)) throw new Error('expected a ConfigError', { cause: error });
  return error.errors.map((line) => line.replaceAll(file, 'FILE'));
}

async function load(text: string, more: ConfigSources = {}) {
  await writeFile(file, text);
  return await loadConfig({ file, ...more });
}

describe('what a configuration means', () => {
  test('nothing at all is the defaults, read like anything else', async () => {
    const config = await loadConfig({});
    expect(config).toMatchObject({
      dataDir: '/var/lib/fairlead',
      registry: { kind: 'embedded' },
      containers: { docker: { kind: 'unix', path: '/var/run/docker.sock' } },
      services: [],
      servicesFile: '',
      dns: {
        listen: [{ address: '127.0.0.1', port: 53 }],
        domain: 'fairlead.internal',
        aliases: ['service.consul', 'rancher.internal'],
        ttl: { vip: 30, endpoints: 1, negative: 1 },
      },
      mesh: {
        backend: 'auto',
        vipCidr: '10.96.0.0/16',
        relayPorts: { first: 30_000, last: 32_767 },
        resync: 30_000,
        cleanupOnExit: false,
      },
      admin: { listen: { kind: 'tcp', address: '127.0.0.1', port: 7470 }, token: '' },
      log: { level: 'info', format: 'auto' },
    });
    expect(config.node.name).toMatch(/^[a-z0-9][a-z0-9_-]*$/);
    expect(config.node.address).toBeUndefined();
    expect(Object.isFrozen(config) && Object.isFrozen(config.dns) && Object.isFrozen(config.dns.listen)).toBe(true);
  });

  test.each([
    ['an empty file', ''],
    ['only comments', '# nothing\n'],
    ['a byte order mark', '\uFEFF{}'],
    ['JSON', '{"dns": {"domain": "fairlead.internal"}}'],
    ['a section with every key commented out', 'dns:\n#  domain: x\nmesh: {}\nnode:\n  zone:\n'],
  ])('%s is fine', async (_, text) => {
    expect((await load(text)).dns.domain).toBe('fairlead.internal');
  });

  test('--set wins over the environment, that over the file, that over the default', async () => {
    const text = 'dns: { domain: file.test, ttl: { vip: 1, endpoints: 2 } }\nmesh: { resync: 1m }\n';
    const config = await load(text, {
      environment: {
        FAIRLEAD_DNS_DOMAIN: 'env.test',
        FAIRLEAD_DNS_TTL_VIP: '7',
        FAIRLEAD_ADMIN: 'http://n2:7470',
        HOME: '/',
      },
      set: ['dns.domain=first.test', 'dns.domain=set.test'],
    });
    expect(config.dns.domain).toBe('set.test');
    expect(config.dns.ttl).toEqual({ vip: 7, endpoints: 2, negative: 1 });
    expect(config.mesh.resync).toBe(60_000);
  });

  test('the environment spells lists with commas and maps as YAML', async () => {
    const { dns, mesh, containers } = await loadConfig({
      environment: {
        FAIRLEAD_DNS_LISTEN: '127.0.0.1:53, [::1]:5353',
        FAIRLEAD_DNS_ALIASES: '',
        FAIRLEAD_DNS_ROUTES: '{Corp.Test.: [10.0.0.1, "[fd00::1]:54"]}',
        FAIRLEAD_DNS_CONTAINERS: 'false',
        FAIRLEAD_MESH_VIP_CIDR6: 'fd00:f1::/112',
        FAIRLEAD_CONTAINERS_DOCKER: 'off',
      },
    });
    expect(dns.listen).toEqual([
      { address: '127.0.0.1', port: 53 },
      { address: '::1', port: 5353 },
    ]);
    expect(dns.aliases).toEqual([]);
    expect(dns.routes).toEqual({
      'corp.test': [
        { address: '10.0.0.1', port: 53 },
        { address: 'fd00::1', port: 54 },
      ],
    });
    expect(dns.containers).toBe(false);
    expect(mesh.vipCidr6).toBe('fd00:f1::/112');
    expect(containers.docker).toEqual({ kind: 'off' });
  });

  test.each([
    ['FAIRLEAD_DNS_FOO', true],
    ['FAIRLEAD_DATADIR', true],
    ['FAIRLEAD_SERVICE_FILE', true],
    ['FAIRLEAD_PORT', false],
    ['FAIRLEAD_PORT_7470_TCP_ADDR', false],
    ['FAIRLEAD_SERVICE_HOST', false],
    ['FAIRLEAD_SERVICE_PORT', false],
    ['FAIRLEAD_ADMIN', false],
    ['fairlead_dns_listen', false],
  ])('the variable %s is taken for a misspelt option: %j', async (variable, misspelt) => {
    const loading = loadConfig({ environment: { [variable]: 'x' } });
    if (misspelt) await expect(loading).rejects.toThrow(`${variable}: there is no such option`);
    else await expect(loading).resolves.toBeDefined();
  });

  test('a value of --set may hold equals signs', async () => {
    const { admin } = await loadConfig({ set: ['admin.token=a=b=='] });
    expect(admin.token).toBe('a=b==');
  });

  test('admin may listen anywhere with a token, and on a socket without', async () => {
    const open = await load('admin: { listen: "[::]:7470", token: s3cret }');
    expect(open.admin.listen).toEqual({ kind: 'tcp', address: '::', port: 7470 });
    const socket = await load('admin: { listen: "unix:///run/fairlead.sock" }');
    expect(socket.admin.listen).toEqual({ kind: 'unix', path: '/run/fairlead.sock' });
  });

  test('static services are read', async () => {
    const { services } = await load(`
services:
  - name: web
    ports: [{ port: 80 }]
    endpoints: [{ id: web-1, address: 10.1.1.2, port: 3000 }]
`);
    expect(services).toMatchObject([{ localId: 'web-1', service: { name: 'web' }, address: '10.1.1.2' }]);
  });
});

describe('what is wrong is told, all at once', () => {
  test('each error has its line, its path, the value and what is expected', async () => {
    const text = `node:
  name: "N1; drop"
dns:
  listn: ["1.2.3.4:53"]
  ttl: { vip: -1, endpoints: 1.5 }
  allow: [10.0.0.1/8, 0x7f.1]
mesh:
  backend: nftable
  vipCidr: 10.96.0.1/16
  relayPorts: 40000-30000
  resync: 5 s
admin:
  listen: 0.0.0.0:7470
`;
    expect(await errorsOf(text)).toEqual([
      'FILE:2: node.name: expected 1 to 63 letters, digits, "-" or "_" that begin and end with a letter or digit, without dots, got "N1; drop"',
      'FILE:4: dns.listn: unknown key; did you mean "listen"?',
      'FILE:5: dns.ttl.vip: expected at least 0, got -1',
      'FILE:5: dns.ttl.endpoints: expected a whole number, got 1.5',
      'FILE:6: dns.allow[0]: expected a network such as 10.1.0.0/16 or fd00::/64 (no bits set after the prefix), got "10.0.0.1/8"',
      'FILE:6: dns.allow[1]: expected a network such as 10.1.0.0/16 or fd00::/64 (no bits set after the prefix), got "0x7f.1"',
      'FILE:8: mesh.backend: expected auto, nftables, iptables, ipvs, off, got "nftable"; did you mean "nftables"?',
      'FILE:9: mesh.vipCidr: expected an IPv4 network from /8 to /30 such as 10.96.0.0/16 (no bits set after the prefix), got "10.96.0.1/16"',
      'FILE:10: mesh.relayPorts: expected a range of ports such as 30000-32767, got "40000-30000"',
      'FILE:11: mesh.resync: expected a duration such as 500ms, 5s, 10m or 3h, 1s at least, got "5 s"',
      'FILE:12: admin.token: is required, because admin.listen 0.0.0.0 can be reached from elsewhere',
    ]);
  });

  test('each error says which source the value came from', async () => {
    const errors = await errorsOf('dns: { domain: fine.test }', {
      environment: { FAIRLEAD_DNS_TTL_VIP: 'abc', FAIRLEAD_DNS_LISTN: 'x', FAIRLEAD_MESH_RESYNC: '{' },
      set: ['dns.domain=foo..bar', 'mesh.vipcidr=10.0.0.0/8', 'dns={}', '__proto__.x=1', 'novalue', 'dns.routes={'],
    });
    expect(errors).toEqual([
      '--set dns.domain: dns.domain: expected a domain such as fairlead.internal, got "foo..bar"',
      'FAIRLEAD_DNS_TTL_VIP: dns.ttl.vip: expected a number, got "abc"',
      'FAIRLEAD_MESH_RESYNC: mesh.resync: expected a duration such as 500ms, 5s, 10m or 3h, 1s at least, got "{"',
      'FAIRLEAD_DNS_LISTN: there is no such option; did you mean "FAIRLEAD_DNS_LISTEN"?',
      '--set "novalue": expected key=value',
      '--set mesh.vipcidr: there is no such option; did you mean "mesh.vipCidr"?',
      '--set dns: there is no such option',
      '--set __proto__.x: there is no such option',
      expect.stringContaining('--set dns.routes: '),
    ]);
  });

  test.each([
    ['registry: { kind: consul }', 'registry.kind: "consul"'],
    ['mesh: { backend: ipvs }', 'mesh.backend: "ipvs"'],
    ['mesh: { backend: iptables }', 'mesh.backend: "iptables"'],
    ['mesh: { network: vxlan }', 'mesh.network: "vxlan"'],
    ['proxy: { http: ["0.0.0.0:80"] }', 'proxy.http: a list'],
    ['proxy: { trustedProxies: [10.0.0.0/8] }', 'proxy.trustedProxies: a list'],
  ])('%s is not there yet and says so', async (text, said) => {
    expect(await errorsOf(text)).toEqual([`FILE:1: ${said} is not in this version of fairlead`]);
  });

  test.each([
    ['a scalar for the whole', '5', 'FILE: expected a map of keys, got 5'],
    ['a list for the whole', '[]', 'FILE: expected a map of keys, got a list'],
    ['a scalar for a section', 'dns: 5', 'FILE:1: dns: expected a map of keys, got 5'],
    ['a list for a section', 'dns: []', 'FILE:1: dns: expected a map of keys, got a list'],
    [
      'a scalar for a list',
      'dns: { listen: "127.0.0.1:53" }',
      'FILE:1: dns.listen: expected a list, got "127.0.0.1:53"',
    ],
    ['a text for a flag', 'dns: { containers: yes }', 'FILE:1: dns.containers: expected true or false, got "yes"'],
    ['a number for a text', 'dns: { domain: 5 }', 'FILE:1: dns.domain: expected text, got 5'],
    ['a prototype as a key', '__proto__: { dns: 1 }', 'FILE:1: __proto__: unknown key'],
    ['a key in capitals', 'DNS: {}', 'FILE:1: DNS: unknown key; did you mean "dns"?'],
    ['a duplicate key', 'log: {}\nlog: {}', 'FILE:2: the key "log" stands here twice'],
    ['a blank in the token', 'admin: { token: "a b" }', 'FILE:1: admin.token: expected printable ASCII without blanks'],
    ['a huge unknown key', `${'a'.repeat(1000)}: 1`, `FILE:1: "${'a'.repeat(61)}...": unknown key`],
    ['a hostile unknown key', '"a\\n\\e[31m": 1', 'FILE:1: "a\\n\\u001b[31m": unknown key'],
    [
      'Docker elsewhere',
      'containers: { docker: "tcp://h:2375" }',
      'FILE:1: containers.docker: expected unix:///path/of/docker.sock or off, got "tcp://h:2375"',
    ],
    ['VIPs on the loopback', 'mesh: { vipCidr: 127.0.0.0/8 }', expect.stringContaining('mesh.vipCidr: expected')],
  ])('%s', async (_, text, error) => {
    expect(await errorsOf(text)).toEqual([error]);
  });

  test('a duplicate key does not hide the other errors', async () => {
    expect(await errorsOf('log: { level: loud }\nlog: { colour: red }')).toHaveLength(2);
  });

  test('a token appears in no message', async () => {
    const errors = await errorsOf('admin: { token: [hunter2] }', {
      environment: { FAIRLEAD_ADMIN_TOKEN: 'hunter2 hunter2' },
    });
    expect(errors.join()).not.toContain('hunter2');
  });

  test.each([
    ['tabs', 'dns:\n\tdomain: x\n', /^FILE:2: /],
    ['an open bracket', 'dns: { domain: x\n', /^FILE:\d+: /],
    ['an unknown alias', 'dns: *nowhere\n', /^FILE:?\d*: /],
    ['a foreign tag', 'dns: !!js/function "x"\n', /^FILE:1: .*tag/],
    ['two documents', 'dns: {}\n---\ndns: {}\n', /^FILE:2: a second document/],
    ['a hundred thousand brackets', '['.repeat(100_000), /^FILE:1: is nested too deeply$/],
    ['a bomb of aliases', aliasBomb(), /^FILE: .*alias/],
    ['UTF-16', Buffer.from('dns: {}', 'utf16le'), /./],
    ['not UTF-8', Buffer.from([0x64, 0xff, 0xfe]), /^FILE: FILE is not UTF-8 text/],
  ])('%s: one clear error', async (_, text, said) => {
    const errors = await errorsOf(text);
    expect(errors.length).toBeGreaterThan(0);
    expect(errors[0]).toMatch(said);
  });

  test.each([
    ['a file that is not there', () => join(folder, 'absent.yaml'), 'there is no such file'],
    ['a folder', () => folder, 'is not a file'],
  ])('%s', async (_, path, said) => {
    await expect(loadConfig({ file: path() })).rejects.toThrow(said);
  });

  test('a huge file is refused before it is read', async () => {
    await writeFile(file, '');
    const { truncate } = await import('node:fs/promises');
    await truncate(file, 65 * 1024 * 1024);
    await expect(loadConfig({ file })).rejects.toThrow('are allowed');
  });

  test('a bad service is an error with its line, and two bad ones are two', async () => {
    const text = `services:
  - name: web
    ports: [{ port: 80, publsh: 8080 }]
    endpoints: [{ id: a, address: 10.1.1.2, port: 3000 }]
  - name: "$(reboot)"
    ports: [{ port: 80 }]
    endpoints: [{ id: b, address: 10.1.1.2, port: 3000 }]
  - name: ok
    ports: [{ port: 80 }]
    endpoints:
      - { id: c, address: 10.1.1.2, port: 3000 }
      - { id: c, address: 10.1.1.3, port: 3000 }
`;
    expect(await errorsOf(text)).toEqual([
      'FILE:3: services[0].ports[0].publsh: unknown key; did you mean "publish"?',
      expect.stringMatching(/^FILE:5: services\[1\]\.name: expected 1 to 63 letters.*got "\$\(reboot\)"$/),
      'FILE:12: services[2].endpoints[1].id: "c" is already the id of another endpoint',
    ]);
  });
});

function aliasBomb(): string {
  const levels = Array.from({ length: 10 }, (_, level) => {
    const inner = level === 0 ? '"x"' : `*a${level - 1}`;
    return `a${level}: &a${level} [${Array.from({ length: 10 }, () => inner).join(', ')}]`;
  });
  return levels.join('\n');
}
