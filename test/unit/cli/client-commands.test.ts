import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { AdminServer } from '../../../src/admin/server.ts';
import { systemClock } from '../../../src/lib/clock.ts';
import { silentLogger } from '../../../src/lib/logger.ts';
import { claimKeys } from '../../../src/model/claims.ts';
import { clusterNode, FakeAgent } from '../../support/admin.ts';
import { type CliOptions, runCli } from '../../support/cli.ts';
import { ManualClock } from '../../support/clock.ts';
import { row } from '../../support/rows.ts';

let agent: FakeAgent;
let url: string;
let done: Promise<void>;
const stop = new AbortController();

// Each test has an agent of its own behind the one server.
const backend = new Proxy({} as FakeAgent, {
  get: (_target, name) => {
    const value: unknown = Reflect.get(agent, name, agent);
    return typeof value === 'function' ? value.bind(agent) : value;
  },
});

beforeAll(async () => {
  const listen = { kind: 'tcp', address: '127.0.0.1', port: 0 } as const;
  const server = new AdminServer({ listen, token: '', backend, clock: systemClock, logger: silentLogger });
  url = await server.listen();
  done = server.run(stop.signal);
});

afterAll(async () => {
  stop.abort();
  await done;
});

beforeEach(() => {
  agent = new FakeAgent();
  agent.change({
    nodes: [clusterNode('n1'), clusterNode('n2', { zone: 'b', state: 'critical', revision: 0 })],
    claims: new Map([
      [claimKeys.vipOfService('web.shop'), '10.96.0.9'],
      [claimKeys.published('tcp', 8080), 'web.shop'],
    ]),
  });
  const policy = { ports: [{ name: 'http', port: 80, protocol: 'tcp', publish: 8080 }] } as const;
  const shop = { stack: 'shop', policy };
  agent.setRows(
    row('web', 'web-1:80', shop),
    {
      ...row('web', 'web-2:80', { ...shop, address: '172.17.0.3', state: 'critical' }),
      reason: 'http 503\x1b[2J from /',
    },
    row('db', 'db-1', { state: 'critical' }),
  );
  agent.counts = new Map([['n1/web-1:80', 12]]);
});

const cli = (args: readonly string[], options: CliOptions = {}) =>
  runCli(args, { ...options, environment: { FAIRLEAD_ADMIN: url, ...options.environment } });

/** What a command prints, line by line, when it ends well. */
async function lines(...args: readonly string[]): Promise<readonly string[]> {
  const { exitCode, stdout, stderr } = await cli(args);
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
  return stdout.split('\n').slice(0, -1);
}

describe('status', () => {
  it('fits on a screen', async () => {
    expect(await lines('status')).toEqual([
      'Node       n1, fairlead 0.1.0',
      'Ready      yes',
      'Registry   embedded, connected, last sync now',
      'Mesh       nftables, in sync, last applied 3s ago',
      'Services   2',
      'Endpoints  3',
      'Warnings   none',
    ]);
  });

  it('says what is wrong', async () => {
    agent.registryDown = true;
    agent.differences = ['x'];
    agent.unsynced = [{ part: 'dns', reason: 'port 53 is taken' }];
    agent.change({ problems: [{ code: 'label', subject: 'container x', message: 'fairlead.port: "a" is no port' }] });
    expect(await lines('status')).toEqual([
      'Node       n1, fairlead 0.1.0',
      'Ready      no',
      '           dns: port 53 is taken',
      'Registry   embedded, not connected, last sync now',
      'Mesh       nftables, not in sync, last applied 3s ago',
      'Services   2',
      'Endpoints  3',
      'Warnings   1',
      '           container x: fairlead.port: "a" is no port',
    ]);
  });

  it('is JSON on demand', async () => {
    expect(JSON.parse((await lines('status', '--json')).join('\n'))).toMatchObject({ node: 'n1', services: 2 });
  });
});

describe('services', () => {
  it('is a table', async () => {
    expect(await lines('services')).toEqual([
      'SERVICE   VIP        PORTS         ENDPOINTS',
      'db        -          80/tcp        0/1',
      'web.shop  10.96.0.9  8080->80/tcp  1/2',
    ]);
  });

  it('shows one with its endpoints, and no control characters of others', async () => {
    expect(await lines('services', 'web')).toEqual([
      'Service  web.shop',
      'VIP      10.96.0.9',
      'Ports    http 8080->80/tcp',
      'Policy   affinity none, traffic cluster, schedule random',
      'Drain    10s',
      '',
      'ENDPOINT     NODE  ADDRESS          WEIGHT  STATE     CONNECTIONS  REASON',
      'n1/web-1:80  n1    172.17.0.2:8080       1  passing            12',
      'n1/web-2:80  n1    172.17.0.3:8080       1  critical            0  http 503\\x1b[2J from /',
    ]);
  });

  it('is the JSON of the API, unchanged', async () => {
    const { stdout } = await cli(['services', '--json']);
    expect(JSON.parse(stdout)).toEqual(await (await fetch(`${url}/v1/services`)).json());
    expect(stdout).toMatch(/^\[\n {2}\{\n {4}"name": "db",\n {4}"stack": null,\n/);
  });

  it('says that there are none', async () => {
    agent = new FakeAgent();
    agent.change({ nodes: [clusterNode('n1')] });
    agent.setRows();
    expect(await lines('services')).toEqual(['no services']);
  });
});

describe('services --watch', () => {
  /** Runs it until the agent ends the stream; `steps` happen one after each output that is new. */
  async function watch(args: readonly string[], steps: readonly (() => void)[], options: CliOptions = {}) {
    const todo = [...steps, () => agent.endStreams()];
    return await cli(['services', '--watch', ...args], { ...options, onOutput: () => todo.shift()?.() });
  }

  it('shows each change, and fails when the agent goes', async () => {
    const { exitCode, stdout, stderr } = await watch([], [() => agent.setRows(row('db', 'db-1'))]);
    expect(stdout.split('\n')).toEqual([
      'SERVICE   VIP        PORTS         ENDPOINTS',
      'db        -          80/tcp        0/1',
      'web.shop  10.96.0.9  8080->80/tcp  1/2',
      '',
      'SERVICE   VIP        PORTS   ENDPOINTS',
      'db        -          80/tcp  1/1',
      'web.shop  10.96.0.9  -       0/0',
      '',
    ]);
    expect({ exitCode, stderr }).toEqual({ exitCode: 3, stderr: 'the agent has ended the connection\n' });
  });

  it('is one change a line as JSON, of the named service only', async () => {
    const { stdout } = await watch(
      ['db', '--json'],
      [
        () => {
          agent.setRows(row('other', 'other'));
          agent.change({ claims: new Map() });
        },
      ],
    );
    const events = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(events).toMatchObject([
      { changed: [{ name: 'db' }], removed: [] },
      { changed: [], removed: ['db'] },
    ]);
  });

  it('clears the screen of a terminal', async () => {
    const { stdout } = await watch([], [() => agent.setRows(row('db', 'db-1'))], { isTTY: true });
    expect(stdout.split('\x1b[H\x1b[2J')).toHaveLength(2);
  });
});

it('nodes is a table', async () => {
  expect(await lines('nodes')).toEqual([
    'NODE  ADDRESS    ZONE  STATE     VERSION  REVISION',
    'n1    192.0.2.1  -     passing   0.1.0           1',
    'n2    192.0.2.1  b     critical  0.1.0           0',
  ]);
  expect(JSON.parse((await cli(['nodes', '--json'])).stdout)).toHaveLength(2);
});

describe('resolve', () => {
  it('shows the answer and why', async () => {
    expect(await lines('resolve', 'web.shop')).toEqual([
      'Asked   web.shop A from 127.0.0.1',
      'Answer  NOERROR',
      'By      local',
      'Why     virtual address of service web.shop',
      '',
      'ANSWER    TTL  TYPE  DATA',
      'web.shop   30  A     10.96.0.9',
      '',
      'LEFT OUT     SERVICE   WHY',
      'n1/web-2:80  web.shop  http 503\\x1b[2J from /',
    ]);
  });

  it('shows why there is none', async () => {
    expect(await lines('resolve', 'nope', 'srv', '--from', '172.18.0.5')).toEqual([
      'Asked   nope SRV from 172.18.0.5 (stack shop)',
      'Answer  NXDOMAIN',
      'By      local',
      'Why     no service of this name',
      '',
      'AUTHORITY  TTL  TYPE  DATA',
      '.            1  SOA   ns. hostmaster. 1 2 3 4 1',
    ]);
  });

  it('is JSON on demand', async () => {
    const { stdout } = await cli(['resolve', 'web.shop', '--json']);
    expect(JSON.parse(stdout)).toMatchObject({ rcode: 'NOERROR', stack: null });
  });

  it('of what the agent says cannot be asked is bad usage', async () => {
    expect(await cli(['resolve', 'web', 'FOO'])).toMatchObject({
      exitCode: 2,
      stderr: expect.stringContaining('"FOO" is not a record type'),
    });
    expect((await cli(['resolve', 'web', '--from', 'nowhere'])).exitCode).toBe(2);
  });
});

describe('drain', () => {
  it('takes an endpoint out, undrain puts it back', async () => {
    expect(await lines('drain', 'web-1')).toEqual(['n1/web-1:80 is out of rotation']);
    expect(agent.table()?.services.get('web.shop')?.endpoints[0]?.state).toBe('draining');
    expect(await lines('undrain', 'n1/web-1:80')).toEqual(['n1/web-1:80 is no longer drained']);
    expect(agent.table()?.services.get('web.shop')?.endpoints[0]?.state).toBe('passing');
  });

  it('waits for the nodes that are up, and for the connections', async () => {
    const clock = new ManualClock();
    const waited = cli(['drain', 'web-1:80', '--wait'], { clock });
    await clock.sleeping(1);
    agent.confirm('n1');
    clock.advance(250);
    await clock.sleeping(1);
    agent.counts = new Map([['n1/web-1:80', 1]]);
    clock.advance(250);
    await clock.sleeping(1);
    agent.counts = new Map();
    clock.advance(250);
    expect(await waited).toEqual({
      exitCode: 0,
      stdout: 'n1/web-1:80 is out of rotation\nn1/web-1:80 has no connections left\n',
      stderr: [
        'n1 has not confirmed, 12 connections',
        '12 connections',
        '1 connection',
        'n2 is down and was not waited for',
        '',
      ].join('\n'),
    });
  });

  it('is done when the endpoint is gone, even if another begins like it', async () => {
    const clock = new ManualClock();
    agent.confirm('n1');
    agent.setRows(row('web', 'web-1'), row('web', 'web-10'));
    agent.counts = new Map([
      ['n1/web-1', 1],
      ['n1/web-10', 5],
    ]);
    const waited = cli(['drain', 'web-1', '--wait'], { clock });
    await clock.sleeping(1);
    agent.confirm('n1');
    agent.setRows(row('web', 'web-10'));
    clock.advance(250);
    expect((await waited).exitCode).toBe(0);
  });

  it('gives up in time, and says what is missing', async () => {
    const clock = new ManualClock();
    const waited = cli(['drain', 'web-1:80', '--wait', '--timeout', '250ms'], { clock });
    await clock.sleeping(1);
    clock.advance(250);
    const { exitCode, stderr } = await waited;
    expect(exitCode).toBe(1);
    expect(stderr).toContain('n1/web-1:80 after 250ms: n1 has not confirmed, 12 connections (it stays out of rotation');
    expect(agent.table()?.services.get('web.shop')?.endpoints[0]?.state).toBe('draining');
  });

  it('does not take connections that cannot be counted for none', async () => {
    agent.counts = undefined;
    agent.confirm('n1');
    expect(await cli(['drain', 'web-1:80', '--wait'])).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining('the connections cannot be counted'),
    });
  });

  it.each([
    ['web', 1, '"web" is more than one endpoint: n1/web-1:80, n1/web-2:80'],
    ['wep-1:80', 1, 'no endpoint is "wep-1:80"; did you mean "n1/web-1:80"?'],
    ['a/b?c#d%e/..', 1, 'no endpoint is "a/b?c#d%e/.."'],
  ])('of %s fails', async (text, exitCode, message) => {
    const result = await cli(['drain', text]);
    expect(result).toMatchObject({ exitCode, stderr: expect.stringContaining(message) });
  });

  it('refuses a timeout that is none', async () => {
    expect((await cli(['drain', 'web', '--timeout', 'soon'])).exitCode).toBe(2);
  });
});

describe('mesh', () => {
  it('plan prints the ruleset, with its tabs but no other control characters', async () => {
    expect(await lines('mesh', 'plan')).toEqual(['table inet fairlead {', '\tchain in\\x1b[31m {', '\t}', '}']);
  });

  it('check fails on differences, until they are repaired', async () => {
    agent.differences = ['chain nat: missing', 'map services: 1 element too many'];
    expect(await cli(['mesh', 'check'])).toEqual({
      exitCode: 1,
      stdout: 'chain nat: missing\nmap services: 1 element too many\n',
      stderr: 'the kernel differs in 2 places (run `fairlead mesh repair`)\n',
    });
    expect(await lines('mesh', 'repair')).toEqual(['repaired']);
    expect(await lines('mesh', 'check')).toEqual(['in sync']);
  });

  describe('with a configuration', () => {
    let folder: string;
    let file: string;
    beforeEach(async () => {
      folder = await mkdtemp(join(tmpdir(), 'fairlead-mesh-'));
      file = join(folder, 'fairlead.yaml');
    });
    afterEach(async () => await rm(folder, { recursive: true }));

    const listening = (address: string) => `${address}:${new URL(url).port}`;
    const nowhere = { environment: { FAIRLEAD_ADMIN: '' } };

    it.each(['plan', 'check', 'repair'])('%s asks the agent that runs with it', async (command) => {
      await writeFile(file, `admin: { listen: "${listening('127.0.0.1')}" }`);
      expect(await cli(['mesh', command, '--config', file], nowhere)).toMatchObject({ exitCode: 0, stderr: '' });
    });

    it('finds one that listens on every address, by --set too', async () => {
      const set = ['--set', `admin.listen=${listening('0.0.0.0')}`, '--set', 'admin.token=secret'];
      expect(await cli(['mesh', 'check', ...set], nowhere)).toMatchObject({ exitCode: 0, stdout: 'in sync\n' });
    });

    it.each([
      ['its token', [], 'Bearer from-file'],
      ['--token before its own', ['--token', 'given'], 'Bearer given'],
    ])('presents %s, on a socket', async (_what, more, authorization) => {
      const path = join(folder, 'a b.sock');
      const seen: unknown[] = [];
      const other = createServer((request, response) => {
        seen.push(request.headers.authorization);
        response.end('{"differences":[]}');
      }).listen(path);
      await once(other, 'listening');
      await writeFile(file, `admin: { listen: "unix://${path}", token: from-file }`);
      const { exitCode, stderr } = await cli(['mesh', 'check', '--config', file, ...more], nowhere);
      other.close();
      expect({ exitCode, stderr, seen }).toEqual({ exitCode: 0, stderr: '', seen: [authorization] });
    });

    it('gives way to --admin and FAIRLEAD_ADMIN', async () => {
      await writeFile(file, 'admin: { listen: "127.0.0.1:1" }');
      expect(await lines('mesh', 'check', '--config', file)).toEqual(['in sync']);
      const args = ['mesh', 'check', '--config', file, '--admin', url];
      expect(await cli(args, nowhere)).toMatchObject({ exitCode: 0 });
    });

    it('refuses one that is wrong', async () => {
      expect(await cli(['mesh', 'check', '--config', join(folder, 'absent')])).toMatchObject({ exitCode: 2 });
    });
  });
});

describe('colours', () => {
  it.each([
    ['on a terminal', true, {}, true],
    ['not in a pipe', false, {}, false],
    ['not with NO_COLOR', true, { NO_COLOR: '1' }, false],
    ['with an empty NO_COLOR', true, { NO_COLOR: '' }, true],
  ])('%s', async (_where, isTTY, environment, expected) => {
    const { stdout } = await cli(['services'], { isTTY, environment });
    expect(stdout.includes('\x1b[')).toBe(expected);
  });
});

describe('an agent that is not there', () => {
  it.each(['http://127.0.0.1:1', 'unix:///nonexistent/fairlead.sock'])('%s', async (admin) => {
    const { exitCode, stderr } = await cli(['status', '--admin', admin]);
    expect(exitCode).toBe(3);
    expect(stderr).toContain(`no agent answers at ${admin} (start it with \`fairlead agent\`, or say where`);
  });

  it.each(['nonsense', '127.0.0.1:7470', 'ftp://localhost', 'unix://'])('%s is bad usage', async (admin) => {
    expect((await cli(['status', '--admin', admin])).exitCode).toBe(2);
  });
});

describe('another server', () => {
  it.each([
    ['no JSON', 200, '<html>'],
    ['another JSON', 200, '{"hello":1}'],
    ['an error that is not ours', 404, 'nope'],
  ])('that answers %s is not taken for an agent', async (_what, status, body) => {
    const other = createServer((_request, response) => response.writeHead(status).end(body)).listen(0, '127.0.0.1');
    await new Promise((resolve) => other.once('listening', resolve));
    const admin = `http://127.0.0.1:${(other.address() as AddressInfo).port}`;
    const { exitCode, stderr } = await cli(['status', '--admin', admin]);
    other.close();
    other.closeAllConnections();
    expect(exitCode).toBe(1);
    expect(stderr).toContain(`${admin} does not answer as an agent does`);
  });
});
