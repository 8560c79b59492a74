import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DockerSource } from '../../../src/containers/docker/source.ts';
import { systemClock } from '../../../src/lib/clock.ts';
import { silentLogger } from '../../../src/lib/logger.ts';
import { type Dockerd, dockerdMissing, startDockerd } from '../../support/dockerd.ts';
import { SourceRecorder } from '../../support/source-recorder.ts';

const missing = await dockerdMissing();
const WEB = { 'fairlead.name': 'web', 'fairlead.port': '80' };

describe.skipIf(missing !== undefined)(`what only a real Docker Engine does ${missing ?? ''}`, () => {
  let docker: Dockerd;
  const recorder = new SourceRecorder();
  const stop = new AbortController();
  let running: Promise<void> | undefined;

  beforeAll(async () => {
    docker = await startDockerd();
    const source = new DockerSource({
      endpoint: docker.host,
      nodeAddress: () => '192.168.50.11',
      clock: systemClock,
      log: silentLogger,
      publish: recorder.publish,
      resyncMs: 60_000,
    });
    running = source.run(stop.signal);
    await recorder.until(() => recorder.states.length > 0);
  });
  afterAll(async () => {
    stop.abort();
    await running;
    await docker?.remove();
  });

  it("gives the node's address to containers on the host's own network, and refuses those on none", async () => {
    await docker.run({ name: 'web-host', labels: WEB, network: 'host' });
    await docker.run({ name: 'web-none', labels: WEB, network: 'none' });
    await recorder.until(() => recorder.problems().length === 1 && recorder.workload('web-host:80') !== undefined);
    expect(recorder.workload('web-host:80')?.address).toBe('192.168.50.11');
    expect(recorder.problems()[0]).toMatchObject({ code: 'label', subject: 'container web-none' });
    await docker.removeAll();
    await recorder.until(() => recorder.last?.workloads.length === 0 && recorder.problems().length === 0);
  });

  it('knows both addresses on a network of two families', async () => {
    await docker.api('POST', '/networks/create', {
      Name: 'dual',
      EnableIPv6: true,
      IPAM: { Config: [{ Subnet: '172.30.0.0/24' }, { Subnet: 'fd00:30::/64' }] },
    });
    await docker.run({ name: 'web-dual', labels: WEB, network: 'dual' });
    await recorder.until(() => recorder.workload('web-dual:80') !== undefined);
    expect(recorder.workload('web-dual:80')).toMatchObject({
      address: expect.stringMatching(/^172\.30\.0\.\d+$/),
      address6: expect.stringMatching(/^fd00:30::/),
    });
    await docker.removeAll();
    await recorder.until(() => recorder.last?.workloads.length === 0);
  });

  it('sees its containers end with the daemon, and come back with it', async () => {
    const always = { RestartPolicy: { Name: 'always' } };
    await docker.run({ name: 'web-back', labels: WEB, hostConfig: always });
    await docker.run({ name: 'web-gone', labels: WEB });
    await recorder.until(() => recorder.last?.workloads.length === 2);
    await docker.stop();
    await recorder.until(() => recorder.problems().length === 1);
    await docker.start();
    await recorder.until(() => recorder.problems().length === 0);
    await recorder.until(() => String(recorder.summary()) === 'web-back:80 passing');
  });

  it('publishes each of many deaths within milliseconds of its event', async () => {
    await docker.removeAll();
    const ids = await Promise.all(Array.from({ length: 10 }, (_, i) => docker.run({ name: `web-${i}`, labels: WEB })));
    await recorder.until(() => recorder.last?.workloads.length === ids.length);
    const from = recorder.states.length;
    for (const [i, id] of ids.entries()) {
      await docker.api('POST', `/containers/${id}/kill?signal=SIGKILL`);
      await recorder.until(() => recorder.last?.workloads.length === ids.length - 1 - i);
    }
    const took = recorder.states.slice(from).map(({ at, eventAt = Number.NaN }) => at - eventAt);
    expect(took.toSorted((a, b) => a - b)[Math.floor(took.length / 2)]).toBeLessThan(5);
  });
});
