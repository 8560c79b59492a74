import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeContainer } from '../../../../src/containers/docker/container.ts';
import { type Declaration, declarationOf } from '../../../../src/containers/docker/decode.ts';
import { parseName } from '../../../../src/model/names.ts';
import type { Workload } from '../../../../src/model/service.ts';
import { type Inspected, inspected } from './inspected.ts';

const NODE = '192.168.50.11';

function declare(differs: Inspected): Declaration {
  const container = decodeContainer(inspected(differs));
  if (container === undefined) throw new Error('not a container');
  return declarationOf(container, NODE);
}

/** `web.shop http=80/tcp>3000 *8080`, a service's identity and ports on one line. */
function brief({ service, policy, ports }: Workload): string {
  const name = service.stack === undefined ? service.name : `${service.name}.${service.stack}`;
  const list = policy.ports.map(
    (port) =>
      `${port.name}=${port.port}/${port.protocol}>${ports.get(port.name)}${port.publish === undefined ? '' : ` *${port.publish}`}`,
  );
  return [name, ...list].join(' ');
}

const services = (differs: Inspected) => declare(differs).workloads.map(brief);
const only = (differs: Inspected): Workload => {
  const [workload, ...more] = declare(differs).workloads;
  if (workload === undefined || more.length > 0) throw new Error(JSON.stringify(declare(differs)));
  return workload;
};
const problem = (differs: Inspected) => declare(differs).problem?.message;

describe('what is a service', () => {
  it.each<[string, Inspected, readonly string[]]>([
    ['nothing said, nothing published', {}, []],
    ['a published port', { published: ['80/tcp'] }, ['nginx 80=80/tcp>80']],
    ['any label of ours', { labels: { 'fairlead.weight': '2' } }, ['nginx 80=80/tcp>80']],
    ['a SERVICE_ variable', { env: ['SERVICE_TAGS=a'] }, ['nginx 80=80/tcp>80']],
    ['a SERVICE_ label', { labels: { SERVICE_80_NAME: 'web' } }, ['web 80=80/tcp>80']],
    ['enable alone', { labels: { 'fairlead.enable': 'true' } }, ['nginx 80=80/tcp>80']],
    [
      'enable=false over everything',
      { labels: { 'fairlead.enable': 'false', 'fairlead.port': '80' }, published: ['80/tcp'] },
      [],
    ],
    [
      'enable=false over labels that do not parse',
      { labels: { 'fairlead.enable': 'false', 'fairlead.port': 'x' } },
      [],
    ],
    ['SERVICE_IGNORE', { env: ['SERVICE_IGNORE=1'], published: ['80/tcp'] }, []],
    [
      'SERVICE_IGNORE loses against a label of ours',
      { env: ['SERVICE_IGNORE=1'], labels: { 'fairlead.name': 'web' } },
      ['web 80=80/tcp>80'],
    ],
    ['SERVICE_<port>_IGNORE', { env: ['SERVICE_80_IGNORE=1'], exposed: ['80/tcp', '81/tcp'] }, ['nginx 81=81/tcp>81']],
    ['a variable like ours, no port', { env: ['SERVICE_ACCOUNT=x'], exposed: [] }, []],
    ["Compose's one-off", { labels: { 'com.docker.compose.oneoff': 'True', 'fairlead.enable': 'true' } }, []],
    ['stopped', { labels: { 'fairlead.port': '80' }, state: { Running: false, Status: 'exited' } }, []],
    ['between two restarts', { labels: { 'fairlead.port': '80' }, state: { Restarting: true } }, []],
    ['dead', { labels: { 'fairlead.port': '80' }, state: { Dead: true } }, []],
  ])('%s', (_title, differs, expected) => {
    expect(declare(differs).problem).toBeUndefined();
    expect(services(differs)).toEqual(expected);
  });
});

it('says that a fixed address is not in this version, and registers the container all the same', () => {
  const labels = { 'fairlead.ip': '10.1.0.2/24', 'fairlead.bridge': 'br0' };
  expect(declare({ labels, exposed: [] })).toMatchObject({ workloads: [], problem: { code: 'unsupported' } });
  expect(declare({ labels, exposed: ['80/tcp'] })).toMatchObject({
    workloads: [{ localId: expect.any(String) }],
    problem: { code: 'unsupported', subject: expect.stringContaining('container ') },
  });
});

describe('names', () => {
  const compose = { 'com.docker.compose.service': 'web', 'com.docker.compose.project': 'shop' };
  const swarm = { 'com.docker.swarm.service.name': 'shop_web', 'com.docker.stack.namespace': 'shop' };
  it.each<[string, Inspected, string]>([
    ['Compose', { labels: compose }, 'web.shop'],
    ['Swarm', { labels: swarm }, 'web.shop'],
    ['Swarm without a stack', { labels: { 'com.docker.swarm.service.name': 'shop_web' } }, 'shop_web'],
    ['Swarm, the stack no prefix', { labels: { ...swarm, 'com.docker.swarm.service.name': 'web' } }, 'web.shop'],
    ['SERVICE_NAME', { env: ['SERVICE_NAME=Web'] }, 'web'],
    ['an empty SERVICE_NAME', { env: ['SERVICE_NAME='] }, 'nginx'],
    ['the label of SERVICE_NAME before the variable', { env: ['SERVICE_NAME=a'], labels: { SERVICE_NAME: 'b' } }, 'b'],
    ['Compose before SERVICE_NAME', { labels: compose, env: ['SERVICE_NAME=a'] }, 'web.shop'],
    ['fairlead.name keeps the project', { labels: { ...compose, 'fairlead.name': 'api' } }, 'api.shop'],
    ['fairlead.stack', { labels: { ...compose, 'fairlead.stack': 'blue' } }, 'web.blue'],
    ['both ours', { labels: { 'fairlead.name': 'API', 'fairlead.stack': 'S' } }, 'api.s'],
    ['image with registry, tag and digest', { image: 'r:5000/a/app:1@sha256:00' }, 'app'],
    ['image alone', { image: 'redis' }, 'redis'],
  ])('%s', (_title, differs, expected) => {
    const { service } = only({ published: ['80/tcp'], ...differs });
    expect(service.stack === undefined ? service.name : `${service.name}.${service.stack}`).toBe(expected);
  });

  const hostile = ['a"b', "a'b", 'a\nb', 'a}b', 'a{b', '$(reboot)', 'a;b', 'a/b', 'a.b', '', ' ', 'x'.repeat(300), 'ü'];
  it.each(hostile)('refuses %j everywhere a name may come from', (name) => {
    expect(problem({ labels: { 'fairlead.name': name } })).toContain('is not a name');
    expect(problem({ labels: { 'fairlead.stack': name } })).toContain('is not a name');
    expect(problem({ labels: { 'fairlead.port': `${name}=80` } })).toContain('fairlead.port: expected');
    expect(problem({ published: ['80/tcp'], labels: { 'com.docker.compose.service': name } })).toContain(
      'is not a name',
    );
  });

  it.each(hostile.filter((name) => name !== ''))('refuses %j as the name of a port, which may be empty', (name) => {
    expect(problem({ published: ['80/tcp'], env: [`SERVICE_80_NAME=${name}`] })).toContain('is not a name');
  });

  it('asks for a name where an image has only an id', () => {
    expect(problem({ published: ['80/tcp'], image: `sha256:${'0'.repeat(64)}` })).toContain('set fairlead.name');
  });

  it('uses the id of a container whose name is unfit', () => {
    const { localId, container } = only({ name: 'x'.repeat(300), published: ['80/tcp'] });
    expect([localId, container?.name]).toEqual(['aaaaaaaaaaaa:80', 'aaaaaaaaaaaa']);
  });
});

describe('ports', () => {
  const web = (port: string, more: Readonly<Record<string, string>> = {}): Inspected => ({
    labels: { 'fairlead.name': 'web', 'fairlead.port': port, ...more },
    exposed: ['9000/tcp'],
  });
  it.each<[string, Inspected, string]>([
    ['one', web('80'), 'web 80=80/tcp>80'],
    ['mapped', web('80:3000'), 'web 80=80/tcp>3000'],
    ['with protocol', web('53:5353/udp'), 'web 53=53/udp>5353'],
    ['named, several', web('http=80:3000/tcp, admin=81:3001'), 'web http=80/tcp>3000 admin=81/tcp>3001'],
    ['both protocols on one number', web('53/tcp,53/udp'), 'web 53=53/tcp>53 53-udp=53/udp>53'],
    ['two VIP ports for one container port', web('80:3000,8080:3000'), 'web 80=80/tcp>3000 8080=8080/tcp>3000'],
    [
      'published',
      web('80:3000,443', { 'fairlead.publish': '8080:80/tcp, 8443:443' }),
      'web 80=80/tcp>3000 *8080 443=443/tcp>443 *8443',
    ],
    [
      'exposed ones by number',
      { labels: { 'fairlead.name': 'web' }, exposed: ['443/tcp', '53/udp', '53/tcp', '80/tcp', '9/sctp'] },
      'web 53=53/tcp>53 53-udp=53/udp>53 80=80/tcp>80 443=443/tcp>443',
    ],
  ])('%s', (_title, differs, expected) => {
    expect(services(differs)).toEqual([expected]);
  });

  it.each([
    ['fairlead.port', 'eighty'],
    ['fairlead.port', '0'],
    ['fairlead.port', '65536'],
    ['fairlead.port', '80,'],
    ['fairlead.port', '80:'],
    ['fairlead.port', '80:3000:1'],
    ['fairlead.port', '80/sctp'],
    ['fairlead.port', '=80'],
    ['fairlead.port', '80,80:3000'],
    ['fairlead.port', 'a=80,a=81'],
    ['fairlead.port', ''],
    ['fairlead.publish', '8080'],
    ['fairlead.publish', '8080:80,8081:80'],
    ['fairlead.publish', '8080:80,8080:443'],
    ['fairlead.publish', '8080:81'],
    ['fairlead.publish', '8080:80/udp'],
    ['fairlead.publish', '0:80'],
  ])('refuses %s=%j', (label, text) => {
    const base = { 'fairlead.name': 'web', 'fairlead.port': '80,443' };
    const declared = declare({ labels: { ...base, [label]: text } });
    expect(declared.workloads).toEqual([]);
    expect(declared.problem).toMatchObject({ code: 'label', subject: 'container web-1' });
    expect(declared.problem?.message).toContain(label);
  });

  it('takes the main port for the id', () => {
    expect(only(web('443:8443,80:3000')).localId).toBe('web-1:8443');
  });

  it('says so where a service has none', () => {
    expect(problem({ labels: { 'fairlead.name': 'web' }, exposed: [] })).toContain('set fairlead.port');
  });
});

describe('policy and route', () => {
  it('has the defaults of the contract', () => {
    expect(only({ labels: { 'fairlead.name': 'web' } })).toEqual({
      localId: 'web-1:80',
      service: { name: 'web' },
      policy: {
        ports: [{ name: '80', port: 80, protocol: 'tcp' }],
        affinity: { kind: 'none' },
        traffic: 'cluster',
        schedule: 'random',
        vip: 'auto',
        drainMs: 10_000,
      },
      address: '172.17.0.2',
      ports: new Map([['80', 80]]),
      weight: 1,
      tags: [],
      meta: new Map(),
      container: { id: 'a'.repeat(64), name: 'web-1', image: 'registry:5000/team/nginx:1.27' },
      relay: 'auto',
      health: { state: 'passing', reason: '' },
    });
  });

  it('reads every label', () => {
    const labels = {
      'fairlead.weight': '5',
      'fairlead.vip': '10.96.7.7',
      'fairlead.affinity': 'client-ip:3h',
      'fairlead.traffic': 'prefer-local',
      'fairlead.schedule': 'source-hash',
      'fairlead.drain': '30s',
      'fairlead.http.host': 'Chat.Example.com',
      'fairlead.http.path': '/chat',
      'fairlead.http.priority': '-5',
      'fairlead.http.sticky': 'connect.sid',
      'fairlead.ip': '192.168.116.114/24@192.168.116.1',
      'fairlead.bridge': 'br-lan',
    };
    expect(only({ labels })).toMatchObject({
      weight: 5,
      policy: {
        vip: '10.96.7.7',
        affinity: { kind: 'client-ip', timeoutMs: 10_800_000 },
        traffic: 'prefer-local',
        schedule: 'source-hash',
        drainMs: 30_000,
        http: {
          host: 'chat.example.com',
          path: '/chat',
          priority: -5,
          sticky: { cookie: 'connect.sid', mode: 'prefix' },
        },
      },
    });
  });

  it.each([
    ['fairlead.weight', '-1'],
    ['fairlead.weight', '257'],
    ['fairlead.weight', '1.5'],
    ['fairlead.vip', '10.96.7'],
    ['fairlead.affinity', 'client'],
    ['fairlead.traffic', 'remote'],
    ['fairlead.schedule', 'least-conn'],
    ['fairlead.drain', '10'],
    ['fairlead.enable', 'maybe'],
    ['fairlead.check.http', 'healthz'],
    ['fairlead.check.tcp', '80'],
    ['fairlead.check.exec', '[]'],
    ['fairlead.check.interval', '5s'],
    ['fairlead.check.rise', '0'],
    ['fairlead.http.host', 'a b'],
    ['fairlead.http.path', 'chat'],
    ['fairlead.http.sticky', 'a=b'],
    ['fairlead.http.sticky.mode', 'insert'],
    ['fairlead.ip', '192.168.116.114'],
    ['fairlead.ip', '192.168.116.300/24'],
    ['fairlead.bridge', 'a name far too long'],
    ['fairlead.network', 'nowhere'],
  ])('refuses %s=%j by itself', (label, text) => {
    const declared = declare({ labels: { 'fairlead.name': 'web', [label]: text } });
    expect(declared.workloads).toEqual([]);
    expect(declared.problem?.message).toContain(label);
  });

  it('knows what was meant by an unknown label', () => {
    expect(problem({ labels: { 'fairlead.pubish': '8080:80' } })).toBe(
      'unknown label "fairlead.pubish"; did you mean "fairlead.publish"?',
    );
    expect(problem({ labels: { 'fairlead.\n$(reboot)': 'x' } })).toBe('unknown label "fairlead.\\n$(reboot)"');
  });

  it('tells all errors at once', () => {
    const said = problem({ labels: { 'fairlead.port': 'x', 'fairlead.weight': 'y', 'fairlead.zone': 'z' } });
    expect(said?.split('; ').length).toBeGreaterThanOrEqual(3);
  });
});

describe('address', () => {
  const labels = { 'fairlead.name': 'web' };
  const networks = { zeta: { ip: '172.20.0.2' }, alpha: { ip: '172.19.0.2', ip6: 'fd00:19::2' } };
  it.each<[string, Inspected, object]>([
    ['the first by name, both families', { networks }, { address: '172.19.0.2', address6: 'fd00:19::2' }],
    ['the one asked for', { networks, labels: { ...labels, 'fairlead.network': 'zeta' } }, { address: '172.20.0.2' }],
    ['IPv4 before none', { networks: { a: { ip6: 'fd00::2' }, b: { ip: '172.20.0.2' } } }, { address: '172.20.0.2' }],
    ['only IPv6', { networks: { a: { ip6: 'fd00::2' } } }, { address: 'fd00::2' }],
    ["the host's own network", { networkMode: 'host', networks: { host: {} } }, { address: NODE }],
  ])('%s', (_title, differs, expected) => {
    const { address, address6 } = only({ labels, ...differs });
    expect({ address, ...(address6 === undefined ? {} : { address6 }) }).toEqual(expected);
  });

  it.each<[string, Inspected]>([
    ['network none', { networkMode: 'none', networks: { none: {} } }],
    ["another container's network", { networkMode: `container:${'b'.repeat(64)}`, networks: {} }],
    ['an address that is none', { networks: { bridge: { ip: '172.17.0.2; drop' } } }],
  ])('refuses %s', (_title, differs) => {
    expect(problem({ labels, ...differs })).toContain('has no address');
  });

  it('names the networks there are', () => {
    expect(problem({ networks, labels: { ...labels, 'fairlead.network': 'beta' } })).toContain('alpha, zeta');
  });
});

describe('health', () => {
  const health = (status: string) => ({ Health: { Status: status, Log: [] } });
  it.each<[string, object, object]>([
    ['running', {}, { state: 'passing', reason: '' }],
    ['HEALTHCHECK NONE', health('none'), { state: 'passing', reason: '' }],
    ['starting', health('starting'), { state: 'critical', reason: 'starting' }],
    ['healthy', health('healthy'), { state: 'passing', reason: '' }],
    ['unhealthy', health('unhealthy'), { state: 'critical', reason: "Docker's HEALTHCHECK fails" }],
    ['paused', { Paused: true, ...health('healthy') }, { state: 'draining', reason: 'container paused' }],
  ])('%s', (_title, state, expected) => {
    expect(only({ labels: { 'fairlead.name': 'web' }, state }).health).toEqual(expected);
  });

  it('leaves the HEALTHCHECK aside where a check of ours is asked for', () => {
    const { health: own, check } = only({ labels: { 'fairlead.check.http': '/healthz' }, state: health('unhealthy') });
    expect(own.state).toBe('passing');
    expect(check).toEqual({
      probe: { kind: 'http', path: '/healthz' },
      intervalMs: 2000,
      timeoutMs: 1000,
      rise: 2,
      fall: 3,
    });
  });
});

describe('checks', () => {
  it.each<[string, Readonly<Record<string, string>>, object]>([
    ['http', { 'fairlead.check.http': '/up?x=1' }, { probe: { kind: 'http', path: '/up?x=1' } }],
    ['tcp', { 'fairlead.check.tcp': 'true' }, { probe: { kind: 'tcp' } }],
    [
      'exec, by the shell',
      { 'fairlead.check.exec': 'pg_isready -q' },
      { probe: { kind: 'exec', command: ['/bin/sh', '-c', 'pg_isready -q'] } },
    ],
    [
      'exec, as it is',
      { 'fairlead.check.exec': '["pg_isready","-q"]' },
      { probe: { kind: 'exec', command: ['pg_isready', '-q'] } },
    ],
    [
      "exec, the shell's test",
      { 'fairlead.check.exec': '[ -f /ok ]' },
      { probe: { kind: 'exec', command: ['/bin/sh', '-c', '[ -f /ok ]'] } },
    ],
    [
      'timing',
      {
        'fairlead.check.tcp': 'true',
        'fairlead.check.interval': '5s',
        'fairlead.check.timeout': '500ms',
        'fairlead.check.rise': '1',
        'fairlead.check.fall': '9',
      },
      { intervalMs: 5000, timeoutMs: 500, rise: 1, fall: 9 },
    ],
    [
      "Registrator's http",
      { SERVICE_CHECK_HTTP: '/health', SERVICE_CHECK_INTERVAL: '15s', SERVICE_CHECK_TIMEOUT: '2s' },
      { probe: { kind: 'http', path: '/health' }, intervalMs: 15_000, timeoutMs: 2000 },
    ],
    ['of one port', { SERVICE_443_CHECK_TCP: 'true' }, { probe: { kind: 'tcp', port: 443 } }],
    [
      'a script',
      { SERVICE_CHECK_SCRIPT: 'nc $SERVICE_IP $SERVICE_PORT' },
      { probe: { kind: 'exec', command: ['/bin/sh', '-c', 'nc 172.17.0.2 80'], warnOn1: true } },
    ],
    ['a command', { SERVICE_CHECK_CMD: '["/check"]' }, { probe: { kind: 'exec', command: ['/check'], warnOn1: true } }],
    [
      'ours before Registrator’s',
      { 'fairlead.check.tcp': 'true', SERVICE_CHECK_HTTP: '/x' },
      { probe: { kind: 'tcp' } },
    ],
  ])('%s', (_title, labels, expected) => {
    expect(only({ labels, exposed: ['80/tcp', '443/tcp'] }).check).toMatchObject(expected);
  });

  it.each([[{ SERVICE_CHECK_TTL: '30s' }], [{ SERVICE_CHECK_TCP: 'false' }], [{ 'fairlead.check.tcp': 'false' }]])(
    'none for %j',
    (labels: Readonly<Record<string, string>>) => {
      expect(only({ labels }).check).toBeUndefined();
    },
  );

  it('of ours fails with exit code 1, which only Consul takes for a warning', () => {
    const { check } = only({ labels: { 'fairlead.check.exec': '["/check"]' } });
    expect(check?.probe).toEqual({ kind: 'exec', command: ['/check'] });
  });

  it('refuses two at once, and a bad one of Registrator', () => {
    expect(problem({ labels: { 'fairlead.check.tcp': 'true', 'fairlead.check.http': '/' } })).toContain('one of');
    expect(problem({ labels: { SERVICE_CHECK_HTTP: 'x' } })).toContain('SERVICE_CHECK_HTTP');
    expect(problem({ labels: { SERVICE_CHECK_HTTP: '/', SERVICE_CHECK_INTERVAL: 'soon' } })).toContain(
      'SERVICE_CHECK_INTERVAL',
    );
  });
});

describe("Registrator's variables", () => {
  it('makes a service of each port with a name of its own', () => {
    const env = ['SERVICE_NAME=app', 'SERVICE_443_NAME=app-tls', 'SERVICE_443_TAGS=tls', 'SERVICE_TAGS=plain'];
    const { workloads } = declare({ env, exposed: ['80/tcp', '443/tcp', '8080/tcp'] });
    expect(workloads.map(brief)).toEqual(['app 80=80/tcp>80 8080=8080/tcp>8080', 'app-tls 443=443/tcp>443']);
    expect(workloads.map(({ localId, tags }) => [localId, tags])).toEqual([
      ['web-1:80', ['plain']],
      ['web-1:443', ['tls']],
    ]);
  });

  it('takes an empty name of a port for none', () => {
    const env = ['SERVICE_NAME=app', 'SERVICE_80_NAME=', 'SERVICE_443_NAME='];
    expect(services({ env, exposed: ['80/tcp', '443/tcp'] })).toEqual(['app 80=80/tcp>80 443=443/tcp>443']);
  });

  it('gives way to fairlead.name', () => {
    expect(services({ labels: { 'fairlead.name': 'web', SERVICE_80_NAME: 'other' } })).toEqual(['web 80=80/tcp>80']);
  });

  it('reads tags with escaped commas, once each', () => {
    expect(only({ env: ['SERVICE_TAGS=a, b\\,c,,a,x\ny'] }).tags).toEqual(['a', 'b,c', 'x y']);
  });

  it('takes the rest as metadata, within the bounds of a catalog', () => {
    const env = [
      'SERVICE_REGION=eu',
      'SERVICE_ID=web-7',
      'SERVICE_80_COLOR=blue',
      'SERVICE_COLOR=red',
      'SERVICE_CHECK_TTL=30s',
    ];
    const labels = { SERVICE_REGION: 'us', 'SERVICE_A B': 'x', SERVICE_BIG: 'x'.repeat(513), SERVICE___PROTO__: 'p' };
    expect([...only({ env, labels }).meta]).toEqual([
      ['__proto__', 'p'],
      ['check_ttl', '30s'],
      ['color', 'blue'],
      ['id', 'web-7'],
      ['region', 'us'],
    ]);
  });
});

describe('whatever stands there', () => {
  const keys = [
    'fairlead.name',
    'fairlead.stack',
    'fairlead.port',
    'fairlead.publish',
    'fairlead.weight',
    'fairlead.vip',
    'fairlead.check.exec',
    'fairlead.check.http',
    'fairlead.network',
    'fairlead.ip',
    'SERVICE_NAME',
    'SERVICE_80_NAME',
    'SERVICE_CHECK_SCRIPT',
    'SERVICE_TAGS',
    'com.docker.compose.service',
    'com.docker.compose.project',
    '__proto__',
    'constructor',
  ];
  const text = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 400 }),
    fc.constantFrom('80', '80:3000/tcp', 'web', 'true', '[', '/'),
  );
  const labels = fc.dictionary(fc.oneof(fc.constantFrom(...keys), text), text, { noNullPrototype: true });

  it('a container never throws, nor yields a name or port that is none', () => {
    const anything = fc.record({
      labels,
      env: fc.array(text),
      exposed: fc.array(fc.oneof(text, fc.constantFrom('80/tcp', '53/udp', '99999/tcp'))),
      name: text,
      image: text,
      networks: fc.dictionary(text, fc.record({ ip: fc.oneof(text, fc.ipV4()), ip6: fc.oneof(text, fc.ipV6()) }), {
        noNullPrototype: true,
      }),
    });
    fc.assert(
      fc.property(anything, (differs) => {
        const { workloads, problem: found } = declare({ ...differs, published: ['80/tcp'] });
        expect(workloads.length === 0 || found === undefined).toBe(true);
        for (const { service, policy, ports, localId, meta } of workloads) {
          for (const name of [service.name, service.stack ?? 'none', ...ports.keys()])
            expect(parseName(name)).toBe(name);
          for (const port of [...ports.values(), ...policy.ports.flatMap(({ port, publish = 1 }) => [port, publish])])
            expect(port >= 1 && port <= 65_535).toBe(true);
          expect(localId).toMatch(/^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,127}:\d+$/);
          for (const key of meta.keys()) expect(key).toMatch(/^[a-z0-9_-]{1,128}$/);
        }
      }),
      { numRuns: 500 },
    );
  });

  it('an answer of any shape is a container or none', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.jsonValue(), (value, part) => {
        decodeContainer(value);
        const shaped = {
          ...(inspected() as object),
          Config: part,
          HostConfig: part,
          NetworkSettings: { Networks: part },
        };
        const container = decodeContainer(shaped);
        if (container !== undefined) declarationOf(container, NODE);
      }),
      { numRuns: 500 },
    );
  });
});
