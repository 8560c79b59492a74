import { chown, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { execOk } from '../../../src/lib/exec.ts';
import { type Agent, createAgent, startAgent, staticService } from '../../support/agent.ts';
import { FakeEngine, startFakeEngine } from '../../support/engine.ts';
import { eventually } from '../../support/eventually.ts';
import { addContainer, createHost, dig } from '../../support/host.ts';
import type { Netns } from '../../support/netns.ts';
import { Peer } from '../../support/peer.ts';

const owned = new AsyncDisposableStack();
let host: Netns;
let client: Netns;
let onHost: Peer;
let folder: string;

beforeAll(async () => {
  ({ host, client } = owned.use(await createHost()));
  const c11 = owned.use(await addContainer(host, 11));
  const c12 = owned.use(await addContainer(host, 12));
  for (const [ns, name] of [
    [c11, 'c11'],
    [c12, 'c12'],
  ] as const) {
    await new Peer(ns).serve({ protocol: 'tcp', address: '0.0.0.0', port: 8080, name });
  }
  onHost = new Peer(host);
  folder = await mkdtemp(join(tmpdir(), 'fairlead-faults-'));
});
afterAll(async () => {
  await owned.disposeAsync();
  await rm(folder, { recursive: true });
});

const rules = (): Promise<string> => host.run('nft', 'list', 'ruleset');
const warningsOf = async (agent: Agent): Promise<string> =>
  (await agent.status()).warnings.map(({ subject, message }) => `${subject}: ${message}`).join('\n');

describe('refused before anything is changed', () => {
  test('an unknown key: exit 2, with what was meant', async () => {
    await using agent = await createAgent(host, { config: { mesh: { vipCdir: '10.96.0.0/16' } } });
    agent.start();
    expect(await agent.ended()).toMatchObject({ code: 2 });
    expect(agent.said()).toMatch(/mesh\.vipCdir.*did you mean "?vipCidr/);
    expect(await rules()).toBe('');
  });

  test('a VIP range that overlaps a local network', async () => {
    await using agent = await createAgent(host, { config: { mesh: { vipCidr: '10.1.0.0/16' } } });
    agent.start();
    expect(await agent.ended()).toMatchObject({ code: 1 });
    expect(agent.said()).toMatch(/10\.1\.0\.0\/16 overlaps.*10\.1\.0\.0\/24.*br1/);
    expect(await rules()).toBe('');
    expect(await host.run('ip', 'route')).not.toContain('10.1.0.0/16');
  });
});

test('port 53 taken on one address: it is said by whom, the others answer, and it is had once it is free', async () => {
  const script = "require('node:dgram').createSocket('udp4').bind(53, '127.0.0.1', () => console.log('bound'))";
  const holder = host.spawn(process.execPath, ['-e', script]);
  onTestFinished(() => void holder.kill());
  await new Promise((resolve) => holder.stdout.once('data', resolve));
  await using agent = await startAgent(host, { config: { services: [staticService('web', '10.1.0.11')] } });
  const { vip } = await agent.settled('web');
  expect(await warningsOf(agent)).toContain(`port 53 of 127.0.0.1 is taken by node (pid ${holder.pid})`);
  expect(await dig(host, '10.1.0.1', 'web')).toEqual([vip]);
  expect(await onHost.ask('tcp', vip, 80)).toMatchObject({ name: 'c11' });
  holder.kill();
  await eventually('127.0.0.1 answers', async () => (await dig(host, '127.0.0.1', 'web')).includes(vip), 10_000);
  expect((await agent.status()).warnings).toEqual([]);
});

describe('containers', () => {
  test('the Docker socket is absent, then appears', async () => {
    const root = await mkdtemp(join(folder, 'engine-'));
    const engine = new FakeEngine(root);
    const config = { containers: { docker: engine.host }, services: [staticService('web', '10.1.0.11')] };
    await using agent = await startAgent(host, { config });
    const { vip } = await agent.settled('web');
    expect(await onHost.ask('tcp', vip, 80)).toMatchObject({ name: 'c11' });
    expect(await warningsOf(agent)).toContain(engine.socket);
    await engine.start();
    await engine.run({ name: 'late', labels: { 'fairlead.name': 'late', 'fairlead.port': '80' } });
    await agent.settled('late');
    expect((await agent.status()).warnings).toEqual([]);
    await engine.remove();
  });

  test('a label that does not parse keeps out that container only, and is shown everywhere', async () => {
    await using engine = await startFakeEngine();
    await engine.run({ name: 'good', labels: { 'fairlead.name': 'good', 'fairlead.port': '80' } });
    await engine.run({ name: 'bad', labels: { 'fairlead.name': 'bad', 'fairlead.port': '80:eighty' } });
    await using agent = await startAgent(host, { config: { containers: { docker: engine.host } } });
    await agent.settled('good');
    expect(await agent.service('bad')).toBeUndefined();
    expect(await warningsOf(agent)).toMatch(/bad.*fairlead\.port.*80:eighty/);
    expect((await agent.cli('status')).stdout).toMatch(/bad.*fairlead\.port/);
    expect(await agent.metric('fairlead_registration_errors')).toBe(1);
    expect(await agent.logged(/fairlead\.port/)).toMatchObject({ level: 'warn' });
    await engine.removeContainer('bad');
    await eventually('no error', async () => (await agent.metric('fairlead_registration_errors')) === 0);
    expect((await agent.status()).warnings).toEqual([]);
  });

  const HOSTILE = [
    'a"b',
    "a'b",
    'evil\nadd table ip pwned',
    'a } ; flush ruleset ; {',
    '{evil}',
    '$(touch /tmp/fairlead-pwned)',
    '`reboot`',
    'evil;evil',
    '../../evil',
    'evil.evil',
    'ev\u0000il',
    'evil\u202e',
    `evil${'a'.repeat(300)}`,
    '-evil',
    '@evil',
  ];

  test('names with quotes, newlines, braces, commands, 300 characters never reach a rule', async () => {
    await using engine = await startFakeEngine();
    await engine.run({ name: 'good', labels: { 'fairlead.name': 'good', 'fairlead.port': '80' } });
    for (const [i, name] of HOSTILE.entries()) {
      const port = { 'fairlead.port': '80' };
      await engine.run({ name: `name${i}`, labels: { 'fairlead.name': name, ...port } });
      await engine.run({ name: `stack${i}`, labels: { 'fairlead.name': 'web', 'fairlead.stack': name, ...port } });
      await engine.run({ name: `port${i}`, labels: { 'fairlead.name': 'web', 'fairlead.port': `${name}=80` } });
      await engine.run({ name: `env${i}`, env: { SERVICE_NAME: name }, expose: ['80/tcp'] });
      await engine.run({ name: `compose${i}`, labels: { 'com.docker.compose.service': name, ...port } });
    }
    const servicesFile = join(folder, 'hostile.json');
    await writeFile(servicesFile, JSON.stringify(HOSTILE.map((name) => staticService(name, '10.1.0.11'))));
    await using agent = await startAgent(host, { config: { containers: { docker: engine.host }, servicesFile } });
    await agent.settled('good');
    expect((await agent.services()).map(({ name }) => name)).toEqual(['good']);
    expect(await agent.metric('fairlead_registration_errors')).toBe(6 * HOSTILE.length);
    expect(await agent.cli('mesh', 'check')).toMatchObject({ exitCode: 0 });
    const kernel = await rules();
    const plan = await agent.cli('mesh', 'plan');
    for (const text of [kernel, plan.stdout]) expect(text).not.toMatch(/evil|pwned|reboot|touch/);
    expect(kernel.match(/^table .*$/gm)?.filter((line) => !/ (ip|ip6) fairlead /.test(line))).toEqual([]);
    expect(await agent.cli('status')).toMatchObject({ exitCode: 0 });
    for (const name of ['evil', 'a\\"b', 'evil.evil']) expect(await dig(host, '127.0.0.1', name)).toEqual([]);
  });
});

test('two services want one published port: the first by name has it, after a restart too, and it is reported', async () => {
  const publish = (name: string, address: string) => ({
    ...staticService(name, address),
    ports: [{ port: 80, publish: 8090 }],
  });
  const services = [publish('zeta', '10.1.0.12'), publish('alpha', '10.1.0.11')];
  await using agent = await startAgent(host, { config: { services } });
  for (const _ of ['first', 'after a restart']) {
    await agent.settled('alpha', ({ ports }) => ports[0]?.publish === 8090);
    const { vip } = await agent.settled('zeta', ({ ports }) => ports[0]?.publish === null);
    expect(await warningsOf(agent)).toMatch(/8090.*zeta.*alpha/);
    expect(await onHost.ask('tcp', '127.0.0.1', 8090)).toMatchObject({ name: 'c11' });
    expect(await onHost.ask('tcp', vip, 80)).toMatchObject({ name: 'c12' });
    await agent.stop('SIGKILL');
    await agent.startReady();
  }
});

test('the VIP range is exhausted: who has an address keeps it, who has none is named', async () => {
  const services = ['a', 'b', 'c'].map((name) => staticService(name, '10.1.0.11'));
  await using agent = await startAgent(host, { config: { services, mesh: { vipCidr: '10.96.0.0/30' } } });
  await eventually('reported', async () =>
    /10\.96\.0\.0\/30: all 2 addresses are taken.* c;/.test(await warningsOf(agent)),
  );
  const { vip } = await agent.settled('a');
  await agent.settled('b');
  expect(await onHost.ask('tcp', vip, 80)).toMatchObject({ name: 'c11' });
  expect(await agent.service('c')).toMatchObject({ vip: null });
  expect(await dig(host, '127.0.0.1', 'tasks.c')).toEqual(['10.1.0.11']);
});

describe('without what the mesh needs', () => {
  /** What the agent is put behind so that it finds no `nft`: a mount namespace in which each has something over it. */
  async function withoutNft(): Promise<readonly string[]> {
    // A script whose interpreter is missing is to the kernel a program that is not there.
    const absent = join(folder, 'absent');
    await writeFile(absent, '#!/nonexistent\n', { mode: 0o755 });
    const { stdout } = await execOk('which', ['-a', 'nft']);
    const hide = 'for nft in $1; do mount --bind "$0" "$nft" || exit; done; shift; exec "$@"';
    return ['unshare', '--mount', 'sh', '-c', hide, absent, stdout];
  }

  test('nft is missing: names work, the mesh is off, and it is said why', async () => {
    const behind = await withoutNft();
    await using agent = await startAgent(host, { config: { services: [staticService('web', '10.1.0.11')] }, behind });
    expect(await agent.status()).toMatchObject({ mesh: { backend: 'off' } });
    expect(await warningsOf(agent)).toMatch(/nft is not installed.*install the package nftables/);
    expect(await dig(host, '127.0.0.1', 'tasks.web')).toEqual(['10.1.0.11']);
    const check = await agent.cli('mesh', 'check');
    expect(check).toMatchObject({ exitCode: 1, stderr: expect.stringContaining('nft is not installed') });
  });

  test('nft is missing, and asked for by name: the agent does not start', async () => {
    const behind = await withoutNft();
    await using agent = await createAgent(host, { config: { mesh: { backend: 'nftables' } }, behind });
    agent.start();
    expect(await agent.ended()).toMatchObject({ code: 1 });
    expect(agent.said()).toContain('nft is not installed');
  });

  test('not root: DNS on 5353, the mesh off, and it is said why', async () => {
    const nobody = 65_534;
    await using agent = await createAgent(host, {
      behind: ['setpriv', `--reuid=${nobody}`, `--regid=${nobody}`, '--clear-groups'],
      config: {
        dns: { listen: ['127.0.0.1:5353'], containers: false },
        services: [staticService('web', '10.1.0.11')],
      },
    });
    await chown(dirname(agent.configFile), nobody, nobody);
    await agent.startReady();
    expect(await agent.status()).toMatchObject({ mesh: { backend: 'off' } });
    expect(await warningsOf(agent)).toMatch(/mesh: .*(root|CAP_NET_ADMIN)/);
    const { stdout } = await host.exec('dig', ['@127.0.0.1', '-p', '5353', 'tasks.web', '+short']);
    expect(stdout).toBe('10.1.0.11\n');
    expect(await agent.stop()).toMatchObject({ code: 0 });
  });
});

describe('a full disk', () => {
  /** A small file system for `dataDir`, and a way to fill it. */
  async function smallDisk() {
    const path = await mkdtemp(join(folder, 'disk-'));
    await execOk('mount', ['-t', 'tmpfs', '-o', 'size=512k', 'fairlead-test', path]);
    const filler = join(path, 'filler');
    return {
      path,
      fill: async () => {
        await writeFile(filler, Buffer.alloc(4 << 20)).catch(() => {});
        // What is left after the last whole write.
        for (let i = 0; i < 64; i++) await writeFile(`${filler}${i}`, 'x').catch(() => {});
      },
      free: async () => {
        await rm(filler);
      },
      [Symbol.asyncDispose]: async () => {
        await execOk('umount', ['--lazy', path]);
      },
    };
  }

  test('while it runs: what is served goes on, new endpoints are served, and it recovers', async () => {
    await using disk = await smallDisk();
    const servicesFile = join(folder, 'services.json');
    await writeFile(servicesFile, JSON.stringify([staticService('web', '10.1.0.11')]));
    await using agent = await startAgent(host, { config: { servicesFile }, dataDir: disk.path });
    const { vip } = await agent.settled('web');
    await disk.fill();
    const many = Array.from({ length: 200 }, (_, i) => staticService(`new${i}`, '10.1.0.11'));
    await writeFile(servicesFile, JSON.stringify([staticService('web', '10.1.0.11', '10.1.0.12'), ...many]));
    await agent.settled('web', ({ endpoints }) => endpoints.length === 2);
    await eventually('reported', async () => (await warningsOf(agent)).includes('registry'), 10_000);
    expect(await agent.metric('fairlead_registry_connected')).toBe(0);
    const answers = await onHost.dial({ protocol: 'tcp', address: vip, port: 80, count: 20 });
    expect(new Set(answers.map(({ name }) => name))).toEqual(new Set(['c11', 'c12']));
    await disk.free();
    await agent.settled('new199', undefined, 20_000);
    await eventually('recovered', async () => (await agent.status()).warnings.length === 0, 15_000);
  });

  test('from the start: it says so, and gets ready when there is space', async () => {
    await using disk = await smallDisk();
    await disk.fill();
    await using agent = await createAgent(host, {
      config: { services: [staticService('web', '10.1.0.11')] },
      dataDir: disk.path,
    });
    agent.start();
    await agent.logged(/registry not opened/);
    expect(await agent.fetch('/readyz')).toMatchObject({ status: 503, body: expect.stringContaining('registry') });
    await disk.free();
    await agent.ready();
    const { vip } = await agent.settled('web');
    expect(await onHost.ask('tcp', vip, 80)).toMatchObject({ name: 'c11' });
  });
});

test('somebody flushes the ruleset: all is back in less than 2 s, and it is counted', async () => {
  const services = [{ ...staticService('web', '10.1.0.11'), ports: [{ port: 80, publish: 8091 }] }];
  await using agent = await startAgent(host, { config: { services } });
  const { vip } = await agent.settled('web');
  await host.run('nft', 'flush', 'ruleset');
  const flushed = performance.now();
  const onClient = new Peer(client);
  await eventually('the VIP', async () => (await onHost.ask('tcp', vip, 80, { timeoutMs: 100 })).name === 'c11');
  await eventually('the port', async () => (await onClient.ask('tcp', '192.168.50.1', 8091)).name === 'c11');
  expect(performance.now() - flushed).toBeLessThan(2000);
  expect(await agent.cli('mesh', 'check')).toMatchObject({ exitCode: 0, stdout: 'in sync\n' });
  expect(await agent.metric('fairlead_mesh_drift_total')).toBeGreaterThan(0);
});
