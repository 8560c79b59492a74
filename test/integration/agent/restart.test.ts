import { once } from 'node:events';
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ServiceJson } from '../../../src/admin/json.ts';
import { type Agent, createAgent, startAgent, staticService } from '../../support/agent.ts';
import { startFakeEngine } from '../../support/engine.ts';
import { eventually } from '../../support/eventually.ts';
import { addContainer, createHost, dig } from '../../support/host.ts';
import type { Netns } from '../../support/netns.ts';
import { type Answer, Peer } from '../../support/peer.ts';

const owned = new AsyncDisposableStack();
let host: Netns;
let onHost: Peer;
let onClient: Peer;

/** Accepts connections on port 9000 and keeps them. */
const HOLD = `require('node:net').createServer((socket) => socket.on('error', () => {}))
  .listen(9000, () => console.log('listens'))`;

beforeAll(async () => {
  const world = owned.use(await createHost());
  ({ host } = world);
  for (const n of [11, 12]) {
    const ns = owned.use(await addContainer(host, n));
    const peer = new Peer(ns);
    for (const protocol of ['tcp', 'udp'] as const) {
      await peer.serve({ protocol, address: '0.0.0.0', port: 8080, name: `c${n}` });
    }
    const holder = ns.spawn(process.execPath, ['-e', HOLD]);
    await once(holder.stdout, 'data');
  }
  onHost = new Peer(host);
  onClient = new Peer(world.client);
});
afterAll(() => owned.disposeAsync());

const CHECK = { tcp: true, interval: '200ms', timeout: '200ms' };
const WEB = {
  name: 'web',
  ports: [{ port: 80, publish: 8080 }],
  endpoints: [
    { id: 'web-1', address: '10.1.0.11', port: 8080, check: CHECK },
    { id: 'web-2', address: '10.1.0.12', port: 8080, check: CHECK },
  ],
};

/** New connections, one after another, until the work is done; every answer there was. */
async function during<T>(dial: () => Promise<readonly Answer[]>, work: () => Promise<T>): Promise<readonly Answer[]> {
  const answers: Answer[] = [];
  let done = false;
  const load = (async () => {
    while (!done) answers.push(...(await dial()));
  })();
  try {
    await work();
  } finally {
    done = true;
    await load;
  }
  return answers;
}

/** Every transaction in the host's tables from now on, as `nft monitor` prints them. */
async function watchRules() {
  const monitor = host.spawn('nft', ['monitor']);
  let seen = '';
  monitor.stdout.on('data', (chunk: Buffer) => {
    seen += chunk;
  });
  // It tells of a table of ours as soon as it listens.
  const listens = eventually('the monitor listens', async () => {
    await host.run('nft', 'add table ip probe; delete table ip probe');
    return seen.includes('delete table ip probe');
  });
  await listens;
  return {
    /** What came after the probes; a last probe shows that nothing is still on its way. */
    stop: async (): Promise<string> => {
      await host.run('nft', 'add table ip probe_end');
      await eventually('the end', () => seen.includes('probe_end'));
      await host.run('nft', 'delete table ip probe_end');
      monitor.kill();
      await once(monitor, 'exit');
      return seen.replace(/^(?:add|delete) table ip probe\w*\n|^# new generation .*\n/gm, '');
    },
  };
}

test('kill -9 and a restart under load: no connection fails, no rule is written, checked endpoints stay', async () => {
  await using agent = await startAgent(host, { config: { services: [WEB] } });
  const { vip } = await agent.settled('web');
  const monitor = await watchRules();
  const published = during(
    () => onClient.dial({ protocol: 'tcp', address: '192.168.50.1', port: 8080, count: 25 }),
    async () => {
      const local = await during(
        () => onHost.dial({ protocol: 'tcp', address: vip, port: 80, count: 25 }),
        async () => {
          for (let i = 0; i < 2; i++) {
            await agent.stop('SIGKILL');
            await agent.startReady();
            const web = await agent.service('web');
            expect(web).toMatchObject({ vip, endpoints: [{ state: 'passing' }, { state: 'passing' }] });
          }
        },
      );
      expect(local.filter(({ error }) => error !== undefined)).toEqual([]);
      expect(local.length).toBeGreaterThan(50);
    },
  );
  const answers = await published;
  expect(answers.filter(({ error }) => error !== undefined)).toEqual([]);
  expect(answers.length).toBeGreaterThan(50);
  expect(await monitor.stop()).toBe('');
});

test('SIGTERM ends it in good order; rules, addresses and registrations stay', async () => {
  await using agent = await startAgent(host, { config: { services: [WEB] } });
  const { vip } = await agent.settled('web');
  expect(await agent.stop('SIGTERM')).toEqual({ code: 0, signal: null });
  expect((await onHost.ask('tcp', vip, 80)).name).toMatch(/^c1[12]$/);
  expect((await onClient.ask('tcp', '192.168.50.1', 8080)).name).toMatch(/^c1[12]$/);
  await agent.startReady();
  expect(await agent.service('web')).toMatchObject({ vip });
});

test('every virtual address is the same after a restart, whatever came first', async () => {
  const services = Array.from({ length: 300 }, (_, i) => staticService(`s${i}`, '10.1.0.11'));
  await using agent = await startAgent(host, { config: { services } });
  const vips = async () => {
    await agent.settled('s299');
    return new Map((await agent.services()).map(({ name, vip }) => [name, vip]));
  };
  const before = await eventually('all have one', async () => {
    const all = await vips();
    return [...all.values()].every((vip) => vip !== null) ? all : undefined;
  });
  await agent.stop('SIGKILL');
  await agent.configure({ services: services.toReversed() });
  await agent.startReady();
  expect(await vips()).toEqual(before);
  expect(new Set(before.values()).size).toBe(300);
});

/** The service `slow`, whose one endpoint keeps connections open, and a client with such a connection. */
const SLOW = {
  name: 'slow',
  ports: [{ port: 80 }],
  drain: '60s',
  endpoints: [{ id: 'slow-1', address: '10.1.0.11', port: 9000 }],
};

async function openConnection(vip: string) {
  const script = "require('node:net').connect(80, process.argv[1]).on('connect', () => console.log('connected'))";
  const open = host.spawn(process.execPath, ['-e', script, vip]);
  await once(open.stdout, 'data');
  return open;
}

test.each([
  ['SIGUSR2', []],
  ['SIGTERM', ['--leave']],
] as const)('%s %j drains, waits for connections, deregisters, then ends', async (signal, args) => {
  await using agent = await startAgent(host, { config: { services: [SLOW] }, args });
  const { vip } = await agent.settled('slow');
  const open = await openConnection(vip);
  agent.signal(signal);
  await agent.settled('slow', ({ endpoints }) => endpoints[0]?.state === 'draining');
  expect(await onHost.ask('tcp', vip, 80)).toMatchObject({ error: 'ECONNREFUSED' });
  expect(open.exitCode).toBeNull();
  open.kill();
  expect(await agent.ended()).toEqual({ code: 0, signal: null });
  await agent.logged(/it has left/);
  expect(await onHost.ask('tcp', vip, 80)).toMatchObject({ error: 'ECONNREFUSED' });
  await agent.configure({ services: [] });
  await agent.startReady();
  expect(await agent.settled('slow')).toMatchObject({ vip, endpoints: [] });
});

test('who leaves without connections has taken its endpoints out of the rules before it ends', async () => {
  await using agent = await startAgent(host, { config: { services: [WEB] } });
  const { vip } = await agent.settled('web');
  expect(await agent.stop('SIGUSR2')).toEqual({ code: 0, signal: null });
  expect(await onHost.ask('tcp', vip, 80)).toMatchObject({ error: 'ECONNREFUSED' });
  expect(await onClient.ask('tcp', '192.168.50.1', 8080)).toMatchObject({ error: 'ECONNREFUSED' });
});

test('a second Ctrl-C ends it at once', async () => {
  await using agent = await startAgent(host, { config: { services: [SLOW] }, args: ['--leave'] });
  const { vip } = await agent.settled('slow');
  await openConnection(vip);
  agent.signal('SIGINT');
  await agent.settled('slow', ({ endpoints }) => endpoints[0]?.state === 'draining');
  expect(await agent.stop('SIGINT')).toEqual({ code: null, signal: 'SIGINT' });
});

describe('containers, while the agent was away', () => {
  const web = { 'fairlead.name': 'web', 'fairlead.port': '80' };
  const ids = ({ endpoints }: ServiceJson) => endpoints.map(({ id }) => id).join();

  test('what ended is gone before it is ready, what came is there', async () => {
    await using engine = await startFakeEngine();
    for (const name of ['a', 'b']) await engine.run({ name, labels: web });
    await using agent = await startAgent(host, { config: { containers: { docker: engine.host } } });
    const { vip } = await agent.settled('web', (service) => ids(service) === 'n1/a:80,n1/b:80');
    await agent.stop('SIGKILL');
    await engine.removeContainer('a');
    await engine.run({ name: 'c', labels: web });
    await agent.startReady();
    const service = await agent.service('web');
    expect(service).toMatchObject({ vip, endpoints: [{ id: 'n1/b:80' }, { id: 'n1/c:80' }] });
  });

  test('where Docker is away, too: its containers stay in rotation, and no rule is written, until it is back', async () => {
    await using engine = await startFakeEngine();
    for (const name of ['a', 'b']) await engine.run({ name, labels: web });
    await using agent = await startAgent(host, { config: { containers: { docker: engine.host } } });
    const { vip } = await agent.settled('web', (service) => ids(service) === 'n1/a:80,n1/b:80');
    await agent.stop('SIGKILL');
    await engine.stop();
    const monitor = await watchRules();
    await agent.startReady();
    const both = [
      { id: 'n1/a:80', state: 'passing' },
      { id: 'n1/b:80', state: 'passing' },
    ];
    expect(await agent.service('web')).toMatchObject({ vip, endpoints: both });
    expect((await agent.status()).warnings).toMatchObject([{ subject: 'docker' }]);
    expect(await monitor.stop()).toBe('');
    engine.docker.destroy(engine.docker.container('a'));
    await engine.start();
    await agent.settled('web', (service) => ids(service) === 'n1/b:80');
    expect((await agent.status()).warnings).toEqual([]);
  });
});

test('a damaged registry.db is set aside and said so, while the rules stay', async () => {
  await using agent = await startAgent(host, {
    config: { services: [staticService('web', '10.1.0.11', '10.1.0.12')] },
  });
  const { vip } = await agent.settled('web');
  // In good order: else the journal beside the file would mend it.
  await agent.stop('SIGTERM');
  const file = join(agent.dataDir, 'registry.db');
  await writeFile(file, Buffer.alloc(8192, 'this is no database'));
  const answers = await during(
    () => onHost.dial({ protocol: 'tcp', address: vip, port: 80, count: 10 }),
    async () => await agent.startReady(),
  );
  expect(answers.filter(({ error }) => error !== undefined)).toEqual([]);
  expect(await agent.logged(/is kept as .*registry\.db\.corrupt-/)).toMatchObject({ level: 'error' });
  expect((await agent.status()).warnings).toMatchObject([{ code: 'registry-set-aside' }]);
  expect(await readdir(agent.dataDir)).toContainEqual(expect.stringMatching(/^registry\.db\.corrupt-/));
  expect(await agent.settled('web')).toMatchObject({ vip });
});

test('kill -9 while it applies, ten times at random moments, with 500 services: rules and registry are whole', async () => {
  const services = (address: string) =>
    JSON.stringify(Array.from({ length: 500 }, (_, i) => staticService(`s${i}`, address)));
  await using agent = await createAgent(host);
  const servicesFile = join(agent.dataDir, '..', 'services.json');
  await agent.configure({ servicesFile });
  const vips = new Map<string, string>();
  for (let i = 0; i < 10; i++) {
    await writeFile(servicesFile, services(`10.1.0.${i % 2 === 0 ? 11 : 12}`));
    agent.start();
    await agent.logged(/agent started/);
    // From reading the registry to having applied everything takes about so long.
    await new Promise((resolve) => setTimeout(resolve, Math.random() * 500));
    for (const { name, vip } of await agent.services().catch(() => [])) {
      if (vip === null) continue;
      // An address that was told once is never another's.
      expect(vips.get(name) ?? vip).toBe(vip);
      vips.set(name, vip);
    }
    await agent.stop('SIGKILL');
    agent.log.length = 0;
  }
  await writeFile(servicesFile, services('10.1.0.11'));
  await agent.startReady();
  const { vip } = await agent.settled('s499', ({ endpoints }) => endpoints[0]?.address === '10.1.0.11');
  await eventually('all addresses', async () => (await agent.services()).every((service) => service.vip !== null));
  for (const service of await agent.services()) expect(vips.get(service.name) ?? service.vip).toBe(service.vip);
  await eventually('in sync', async () => (await agent.status()).mesh.inSync);
  expect(await agent.cli('mesh', 'check')).toMatchObject({ exitCode: 0, stdout: 'in sync\n' });
  expect((await agent.status()).warnings).toEqual([]);
  expect(await onHost.ask('tcp', vip, 80)).toMatchObject({ name: 'c11' });
  expect(await dig(host, '127.0.0.1', 's499')).toEqual([vip]);
});

test('UDP: when an endpoint dies, the next datagram of the same flow reaches another', async () => {
  const service = (...addresses: readonly string[]) => ({
    ...staticService('echo', ...addresses),
    ports: [{ port: 53, protocol: 'udp', publish: 5300 }],
  });
  await using agent: Agent = await createAgent(host);
  const servicesFile = join(agent.dataDir, '..', 'services.json');
  await agent.configure({ servicesFile });
  await writeFile(servicesFile, JSON.stringify([service('10.1.0.11')]));
  await agent.startReady();
  const { vip } = await agent.settled('echo');
  const flows = [
    () => onHost.ask('udp', vip, 53, { fromPort: 40_001 }),
    () => onClient.ask('udp', '192.168.50.1', 5300, { fromPort: 40_002 }),
  ];
  for (const ask of flows) expect(await ask()).toMatchObject({ name: 'c11' });
  await writeFile(servicesFile, JSON.stringify([service('10.1.0.12')]));
  await agent.settled('echo', ({ endpoints }) => endpoints[0]?.address === '10.1.0.12');
  for (const ask of flows) {
    // The rules are in the kernel before the flows that stick are ended.
    await eventually('the other endpoint', async () => (await ask()).name === 'c12');
  }
});
