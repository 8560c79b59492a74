import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { NodeJson, ServiceJson } from '../../../src/admin/json.ts';
import { AdminClient } from '../../../src/cli/client.ts';
import { type Agent, startAgent } from '../../support/agent.ts';
import { type Dockerd, dockerdMissing, startDockerd } from '../../support/dockerd.ts';
import { textField } from '../../support/engine-control.ts';
import { eventually } from '../../support/eventually.ts';
import { createHost, dig, fetchIn } from '../../support/host.ts';
import type { Netns } from '../../support/netns.ts';

const missing = await dockerdMissing();

const LABELS = { 'fairlead.name': 'web', 'fairlead.port': '80', 'fairlead.publish': '8081:80' };

describe.skipIf(missing !== undefined)(`the whole path on one host ${missing ?? ''}`, () => {
  const owned = new AsyncDisposableStack();
  let host: Netns;
  let client: Netns;
  let docker: Dockerd;
  let agent: Agent;
  let gateway: string;
  let vip: string;

  beforeAll(async () => {
    ({ host, client } = owned.use(await createHost()));
    docker = owned.use(await startDockerd({ netns: host }));
    agent = owned.use(await startAgent(host, { config: { containers: { docker: docker.host } } }));
    for (const name of ['web-1', 'web-2']) await docker.runWeb({ name, body: name, labels: LABELS });
    const web = await agent.settled('web', ({ endpoints }) => endpoints.length === 2);
    ({ vip } = web);
    gateway = await bridgeAddress(host);
  });
  afterAll(() => owned.disposeAsync());

  /** What a container gets when it runs a program and ends. */
  async function inContainer(...command: readonly string[]): Promise<string> {
    const id = await docker.run({ command, dns: [gateway], hostConfig: { LogConfig: { Type: 'json-file' } } });
    await docker.api('POST', `/containers/${id}/wait`);
    // Each frame of the log has a header of eight bytes, none of which is printable.
    const log = String(await docker.api('GET', `/containers/${id}/logs?stdout=1&stderr=1`));
    await docker.removeContainer(id);
    return log;
  }

  /** The exit code of a program run in a container that goes on. */
  async function execIn(container: string, ...command: readonly string[]): Promise<number> {
    const exec = await docker.api('POST', `/containers/${container}/exec`, { Cmd: command });
    const path = `/exec/${textField(exec, 'Id')}`;
    await docker.api('POST', `${path}/start`, { Detach: true });
    const { ExitCode } = await eventually(`${command[0]} in ${container}`, async () => {
      const state = (await docker.api('GET', `${path}/json`)) as {
        readonly Running: boolean;
        readonly ExitCode: number;
      };
      return state.Running ? undefined : state;
    });
    return ExitCode;
  }

  test('its name is its virtual address, for the host and by its short name in a container', async () => {
    expect(await dig(host, '127.0.0.1', 'web')).toEqual([vip]);
    expect(await dig(host, '127.0.0.1', 'web.fairlead.internal')).toEqual([vip]);
    expect(await inContainer('/bin/nslookup', 'web')).toContain(`Address: ${vip}`);
  });

  test('tasks. are the endpoints themselves', async () => {
    const addresses = await Promise.all(['web-1', 'web-2'].map((name) => docker.addressOf(name)));
    expect([...(await dig(host, '127.0.0.1', 'tasks.web'))].sort()).toEqual(addresses.sort());
  });

  test('the virtual address answers the host, a container, and its own endpoint', async () => {
    expect(await fetchIn(host, `http://${vip}/`)).toMatch(/^web-[12]$/);
    expect(await inContainer('/bin/wget', '-qO-', `http://web/`)).toMatch(/web-[12]/);
    for (let i = 0; i < 4; i++)
      expect(await execIn('web-1', '/bin/wget', '-qO', '/tmp/answer', `http://${vip}/`)).toBe(0);
  });

  test.each([
    ['127.0.0.1, from the host', () => fetchIn(host, 'http://127.0.0.1:8081/')],
    ['localhost, from the host', () => fetchIn(host, 'http://localhost:8081/')],
    ["the node's address, from the host", () => fetchIn(host, 'http://192.168.50.1:8081/')],
    ["the bridge's address, from the host", () => fetchIn(host, `http://${gateway}:8081/`)],
    ["the node's address, from a client", () => fetchIn(client, 'http://192.168.50.1:8081/')],
    ["the bridge's address, from a client", () => fetchIn(client, `http://${gateway}:8081/`)],
    ["the node's address, from a container", () => inContainer('/bin/wget', '-qO-', 'http://192.168.50.1:8081/')],
    ["the bridge's address, from a container", () => inContainer('/bin/wget', '-qO-', `http://${gateway}:8081/`)],
  ])('the published port answers on %s', async (_, ask) => {
    expect(await ask()).toMatch(/web-[12]/);
  });

  test('an unknown port of the virtual address is refused at once, an unallocated address is not sent out', async () => {
    expect(await fetchIn(host, `http://${vip}:81/`)).toBe('ECONNREFUSED');
    expect(await fetchIn(host, `http://${otherThan(vip)}/`, 300)).not.toMatch(/web/);
  });

  test('status, services, nodes, resolve and mesh say so', async () => {
    const status = await agent.cli('status');
    expect(status).toMatchObject({ exitCode: 0, stderr: '' });
    expect(status.stdout).toMatch(/^Node +n1, fairlead /m);
    expect(status.stdout).toMatch(/^Ready +yes$/m);
    expect(status.stdout).toMatch(/^Mesh +nftables, in sync/m);
    expect(status.stdout).toMatch(/^Endpoints +2$/m);
    expect(status.stdout).toMatch(/^Warnings +none$/m);

    const services = await agent.cli('services');
    expect(services.stdout).toMatch(new RegExp(`^web +${vip} +8081->80/tcp +2/2$`, 'm'));
    const web = await agent.cli('services', 'web');
    expect(web.stdout).toMatch(/n1\/web-1:80 +n1 +\S+:80 +1 +passing/);

    const nodes = await agent.cli('nodes');
    expect(nodes.stdout).toMatch(/^n1 +192\.168\.50\.1 +- +passing/m);

    const resolved = await agent.cli('resolve', 'web');
    expect(resolved.stdout).toContain(vip);
    expect(resolved.stdout).toMatch(/^Answer +NOERROR$/m);

    const plan = await agent.cli('mesh', 'plan');
    expect(plan.stdout).toContain(`${vip} . tcp . 80`);
    expect(await agent.cli('mesh', 'check')).toMatchObject({ exitCode: 0, stdout: 'in sync\n' });

    const [node] = await agent.get<readonly NodeJson[]>('/v1/nodes');
    expect(node?.revision).toBeGreaterThan(0);
  });

  test('drain --wait takes one out of rotation, undrain puts it back', async () => {
    const drained = await agent.cli('drain', 'web-1', '--wait', '--timeout', '10s');
    expect(drained).toMatchObject({
      exitCode: 0,
      stdout: expect.stringContaining('n1/web-1:80 has no connections left'),
    });
    for (let i = 0; i < 6; i++) expect(await fetchIn(host, `http://${vip}/`)).toBe('web-2');
    expect(await dig(host, '127.0.0.1', 'tasks.web')).toEqual([await docker.addressOf('web-2')]);
    expect(await agent.cli('undrain', 'web-1')).toMatchObject({ exitCode: 0 });
    await agent.settled('web');
    await eventually('web-1 answers', async () => (await fetchIn(host, `http://${vip}/`)) === 'web-1', 10_000);
  });

  test('a container that stops is gone from names and rules, and the event stream says so', async () => {
    const events = new AdminClient({ url: agent.adminUrl, token: '' }).events('/v1/events');
    await events.next();
    const address = await docker.addressOf('web-1');
    await docker.removeContainer('web-1');
    const { value } = await events.next();
    await events.return(undefined);
    expect(value).toMatchObject({ changed: [{ name: 'web' }], removed: [] });
    await agent.settled('web', ({ endpoints }) => endpoints.length === 1);
    expect(await dig(host, '127.0.0.1', 'tasks.web')).not.toContain(address);
    for (let i = 0; i < 4; i++) expect(await fetchIn(host, `http://${vip}/`)).toBe('web-2');

    await docker.removeContainer('web-2');
    // Clients may have the address cached: it stays the service's for a day, and refuses.
    await agent.settled('web', ({ endpoints }) => endpoints.length === 0);
    expect(await dig(host, '127.0.0.1', 'web')).toEqual([vip]);
    expect(await dig(host, '127.0.0.1', 'tasks.web')).toEqual([]);
    expect(await fetchIn(host, `http://${vip}/`)).toBe('ECONNREFUSED');
    expect(await fetchIn(client, 'http://192.168.50.1:8081/')).toBe('ECONNREFUSED');
    expect(await agent.cli('mesh', 'check')).toMatchObject({ exitCode: 0 });
  });
});

describe.skipIf(missing !== undefined)(`Docker starts after the agent, and again ${missing ?? ''}`, () => {
  test('each time its containers are served, and its firewall lets their published port through', async () => {
    await using world = await createHost();
    await using docker = await startDockerd({ netns: world.host });
    await docker.stop();
    // As on a host where Docker was never started: neither its bridge nor its chains.
    await world.host.ip('link del docker0');
    await world.host.run('nft', 'flush', 'ruleset');
    await using agent = await startAgent(world.host, { config: { containers: { docker: docker.host } } });
    for (const round of ['first', 'second']) {
      await docker.start();
      await docker.runWeb({ name: round, body: round, labels: LABELS });
      const only = ({ endpoints }: ServiceJson) => endpoints.map(({ id }) => id).join() === `n1/${round}:80`;
      const { vip } = await agent.settled('web', only);
      expect(await fetchIn(world.host, `http://${vip}/`)).toBe(round);
      await eventually(
        'the published port',
        async () => (await fetchIn(world.client, 'http://192.168.50.1:8081/', 500)) === round,
        5000,
      );
      expect(await dig(world.host, await bridgeAddress(world.host), 'web')).toEqual([vip]);
      // Its web server is deaf to SIGTERM, and dockerd would wait for it.
      await docker.removeContainer(round);
      await docker.stop();
      await eventually('said so', async () => (await agent.status()).warnings.length > 0);
      expect((await agent.status()).warnings).toMatchObject([{ subject: `docker ${docker.host}` }]);
    }
  });
});

async function bridgeAddress(host: Netns): Promise<string> {
  const { stdout } = await host.exec('ip', ['-j', 'addr', 'show', 'docker0']);
  const [link]: readonly { addr_info: readonly { family: string; local: string }[] }[] = JSON.parse(stdout);
  return link?.addr_info.find(({ family }) => family === 'inet')?.local ?? '';
}

const otherThan = (vip: string): string => vip.replace(/\d+$/, (last) => String((Number(last) + 1) % 254));
