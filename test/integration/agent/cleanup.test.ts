import { describe, expect, test } from 'vitest';
import { createAgent, startAgent } from '../../support/agent.ts';
import { dockerdMissing, startDockerd } from '../../support/dockerd.ts';
import { createHost, fetchIn } from '../../support/host.ts';
import { hostState } from '../../support/hoststate.ts';

const missing = await dockerdMissing();

const LABELS = { 'fairlead.name': 'web', 'fairlead.port': '80', 'fairlead.publish': '8081:80' };

describe.skipIf(missing !== undefined)(`beside Docker ${missing ?? ''}`, () => {
  test.each([
    ['after the agent was stopped', 'SIGTERM'],
    ['after the agent was killed', 'SIGKILL'],
  ] as const)('mesh cleanup leaves the host byte-identical, %s', async (_, signal) => {
    await using world = await createHost();
    await using docker = await startDockerd({ netns: world.host });
    // One of Docker's own ports, so that all its chains are in use.
    await docker.runWeb({ name: 'other', body: 'other', publish: { '80/tcp': 9090 } });
    await docker.runWeb({ name: 'web', body: 'web', labels: LABELS });
    const before = await hostState(world.host);

    await using agent = await startAgent(world.host, {
      config: { containers: { docker: docker.host }, mesh: { vipCidr6: 'fd00:f1::/112' } },
    });
    const { vip } = await agent.settled('web');
    expect(await fetchIn(world.host, `http://${vip}/`)).toBe('web');
    expect(await fetchIn(world.client, 'http://192.168.50.1:8081/')).toBe('web');
    expect(await hostState(world.host)).not.toBe(before);
    await agent.stop(signal);
    const kept = await hostState(world.host);
    expect(kept).not.toBe(before);

    expect(await agent.cleanup()).toMatchObject({ exitCode: 0, stderr: '', stdout: expect.stringContaining('table') });
    expect(await hostState(world.host)).toBe(before);
    expect(await fetchIn(world.client, 'http://192.168.50.1:9090/')).toBe('other');
    expect(await agent.cleanup()).toMatchObject({ exitCode: 0, stdout: 'nothing to remove\n' });

    // And it begins anew as if nothing had been.
    await agent.startReady();
    expect(await agent.settled('web')).toMatchObject({ vip });
    expect(await fetchIn(world.client, 'http://192.168.50.1:8081/')).toBe('web');
  });
});

test('mesh.cleanupOnExit does the same by itself', async () => {
  await using world = await createHost();
  const before = await hostState(world.host);
  await using agent = await startAgent(world.host, { config: { mesh: { cleanupOnExit: true } } });
  expect(await hostState(world.host)).not.toBe(before);
  expect(await agent.stop('SIGTERM')).toEqual({ code: 0, signal: null });
  expect(await hostState(world.host)).toBe(before);
});

test('mesh cleanup on a host without anything of ours has nothing to do', async () => {
  await using world = await createHost();
  const before = await hostState(world.host);
  await using agent = await createAgent(world.host);
  expect(await agent.cleanup()).toMatchObject({ exitCode: 0, stdout: 'nothing to remove\n' });
  expect(await hostState(world.host)).toBe(before);
});
