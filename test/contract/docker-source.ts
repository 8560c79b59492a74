import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { DockerSource } from '../../src/containers/docker/source.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { silentLogger } from '../../src/lib/logger.ts';
import type { EngineControl } from '../support/engine-control.ts';
import { SourceRecorder } from '../support/source-recorder.ts';

/** An Engine, real or fake, and what a test can do to it beyond its API. */
export interface EngineUnderTest extends AsyncDisposable {
  readonly control: EngineControl;
  /** Decides what the container's HEALTHCHECK (below) finds. */
  setHealthy(id: string, healthy: boolean): Promise<void>;
  /** Ends the daemon, containers go on running. */
  kill(): Promise<void>;
  start(): Promise<void>;
}

export const HEALTHCHECK = {
  Test: ['CMD', '/bin/test', '-f', '/tmp/healthy'],
  Interval: 50_000_000,
  Timeout: 1_000_000_000,
  Retries: 1,
};

const STUBBORN = ['/bin/sh', '-c', "trap '' TERM; while :; do sleep 1; done"];
const WEB = { 'fairlead.name': 'web', 'fairlead.port': '80' };

/** What the source makes of an Engine; the same for the real one and for the fake that stands in for it. */
export function describeDockerSource(title: string, start: () => Promise<EngineUnderTest>): void {
  describe(title, () => {
    let engine: EngineUnderTest;
    let recorder: SourceRecorder;
    let source: DockerSource;
    let stop: AbortController;
    let running: Promise<void>;

    beforeAll(async () => {
      engine = await start();
    });
    afterAll(async () => {
      await engine[Symbol.asyncDispose]();
    });
    beforeEach(async () => {
      recorder = new SourceRecorder();
      stop = new AbortController();
      source = new DockerSource({
        endpoint: engine.control.host,
        nodeAddress: () => '192.168.50.11',
        clock: systemClock,
        log: silentLogger,
        publish: recorder.publish,
        resyncMs: 60_000,
      });
      running = source.run(stop.signal);
      await recorder.until(() => recorder.states.length > 0);
    });
    afterEach(async () => {
      stop.abort();
      await running;
      await engine.control.removeAll();
    });

    const summary = (expected: readonly string[]) => () => String(recorder.summary()) === String(expected);
    const post = (id: string, action: string, body?: object) =>
      engine.control.api('POST', `/containers/${id}/${action}`, body);

    it('begins with an empty picture and tells that it is in sync', () => {
      expect(recorder.last).toMatchObject({ workloads: [], problems: [] });
      expect(source.status()).toMatchObject({ connected: true, lastSync: expect.any(Number) });
    });

    it('shows a container from its start to its end, each with the time of its event', async () => {
      const id = await engine.control.run({ name: 'web-1', labels: WEB });
      await recorder.until(summary(['web-1:80 passing']));
      expect(recorder.workload('web-1:80')).toMatchObject({
        service: { name: 'web' },
        address: expect.stringMatching(/^172\./),
        ports: new Map([['80', 80]]),
        container: { id, name: 'web-1' },
      });
      expect(recorder.last?.eventAt).toBeTypeOf('number');
      await post(id, 'kill?signal=SIGKILL');
      await recorder.until(summary([]));
      expect(recorder.last?.eventAt).toBeTypeOf('number');
    });

    it('drains a container that is told to end, and removes it when it has', async () => {
      const id = await engine.control.run({ name: 'web-1', labels: WEB, command: STUBBORN });
      await recorder.until(summary(['web-1:80 passing']));
      await post(id, 'kill?signal=SIGTERM');
      await recorder.until(summary(['web-1:80 draining']));
      expect(recorder.workload('web-1:80')?.health.reason).toBe('stopping: it was told to end');
      await post(id, 'kill?signal=SIGKILL');
      await recorder.until(summary([]));
    });

    it('leaves a container in rotation that is sent another signal', async () => {
      const id = await engine.control.run({ name: 'web-1', labels: WEB, command: STUBBORN });
      await recorder.until(summary(['web-1:80 passing']));
      await post(id, 'kill?signal=SIGWINCH');
      await post(id, 'rename?name=web-2');
      await recorder.until(summary(['web-2:80 passing']));
      expect(
        recorder.states.flatMap((state) => state.workloads).every(({ health }) => health.state === 'passing'),
      ).toBe(true);
    });

    it('brings a container back after a restart, although the run before was drained', async () => {
      const id = await engine.control.run({ name: 'web-1', labels: WEB });
      await recorder.until(summary(['web-1:80 passing']));
      await post(id, 'restart?t=1');
      await recorder.until(() => recorder.states.some((state) => state.workloads[0]?.health.state === 'draining'));
      await recorder.until(summary(['web-1:80 passing']));
      const seen = recorder.states.map(({ workloads }) => workloads[0]?.health.state ?? 'none');
      expect(seen).toEqual(['none', 'passing', 'draining', 'none', 'passing']);
    });

    it('drains while paused', async () => {
      const id = await engine.control.run({ name: 'web-1', labels: WEB });
      await post(id, 'pause');
      await recorder.until(summary(['web-1:80 draining']));
      expect(recorder.workload('web-1:80')?.health.reason).toBe('container paused');
      await post(id, 'unpause');
      await recorder.until(summary(['web-1:80 passing']));
    });

    it("follows Docker's HEALTHCHECK", async () => {
      const id = await engine.control.run({ name: 'web-1', labels: WEB, healthcheck: HEALTHCHECK });
      await recorder.until(summary(['web-1:80 critical']));
      await engine.setHealthy(id, true);
      await recorder.until(summary(['web-1:80 passing']));
      await engine.setHealthy(id, false);
      await recorder.until(summary(['web-1:80 critical']));
      expect(recorder.workload('web-1:80')?.health.reason).toBe("Docker's HEALTHCHECK fails");
    });

    it('reads the address again when networks change', async () => {
      const network = `a-net-${title.replaceAll(/\W/g, '')}`;
      await engine.control.api('POST', '/networks/create', { Name: network });
      const id = await engine.control.run({ name: 'web-1', labels: WEB });
      await recorder.until(summary(['web-1:80 passing']));
      const before = recorder.workload('web-1:80')?.address;
      await engine.control.api('POST', `/networks/${network}/connect`, { Container: id });
      await recorder.until(() => recorder.workload('web-1:80')?.address !== before);
      await engine.control.api('POST', `/networks/${network}/disconnect`, { Container: id });
      await recorder.until(() => recorder.workload('web-1:80')?.address === before);
    });

    it('names services as Compose does, and skips one-offs', async () => {
      const compose = { 'com.docker.compose.project': 'shop', 'com.docker.compose.service': 'web' };
      await engine.control.run({
        name: 'shop-web-run',
        labels: { ...compose, 'com.docker.compose.oneoff': 'True' },
        publish: { '80/tcp': 18_081 },
      });
      await engine.control.run({ name: 'shop-web-1', labels: compose, publish: { '80/tcp': 18_080 } });
      await recorder.until(summary(['shop-web-1:80 passing']));
      expect(recorder.last?.workloads.map(({ service }) => service)).toEqual([{ name: 'web', stack: 'shop' }]);
    });

    it('leaves out one container with a bad label, says so, and no other', async () => {
      await engine.control.run({ name: 'bad', labels: { 'fairlead.port': 'eighty' } });
      await engine.control.run({ name: 'web-1', labels: WEB });
      await recorder.until(summary(['web-1:80 passing']));
      await recorder.until(() => recorder.problems().length === 1);
      expect(recorder.problems()[0]).toMatchObject({ code: 'label', subject: 'container bad' });
      await engine.control.removeContainer('bad');
      await recorder.until(() => recorder.problems().length === 0);
    });

    it('keeps the identity of what did not change', async () => {
      await engine.control.run({ name: 'web-1', labels: WEB });
      await recorder.until(summary(['web-1:80 passing']));
      const before = recorder.workload('web-1:80');
      await engine.control.run({ name: 'web-2', labels: WEB });
      await recorder.until(summary(['web-1:80 passing', 'web-2:80 passing']));
      expect(recorder.workload('web-1:80')).toBe(before);
    });

    it('runs a command inside a container', async () => {
      const id = await engine.control.run({ name: 'web-1', labels: WEB });
      expect(await source.exec(id, ['/bin/sh', '-c', 'echo hello; exit 3'], 10_000)).toEqual({
        exitCode: 3,
        output: 'hello\n',
      });
      await expect(source.exec(id, ['/bin/sleep', '1000'], 200)).rejects.toMatchObject({ code: 'docker-timeout' });
      await expect(source.exec('f'.repeat(64), ['/bin/true'], 5000)).rejects.toMatchObject({
        code: 'docker-not-found',
      });
    });

    it('shows thirty containers that start at once, and none when they have ended', async () => {
      const names = Array.from({ length: 30 }, (_, i) => `web-${i + 10}`);
      await Promise.all(names.map((name) => engine.control.run({ name, labels: WEB })));
      await recorder.until(() => recorder.last?.workloads.length === 30, 60_000);
      expect(new Set(recorder.last?.workloads.map(({ address }) => address)).size).toBe(30);
      await engine.control.removeAll();
      await recorder.until(summary([]), 60_000);
    });

    it('keeps the last good picture while the daemon is away, and catches up', async () => {
      const id = await engine.control.run({ name: 'web-1', labels: WEB });
      await recorder.until(summary(['web-1:80 passing']));
      const before = recorder.workload('web-1:80');
      await engine.kill();
      await recorder.until(() => recorder.problems().length === 1);
      expect(recorder.problems()[0]?.code).toBe('docker-unavailable');
      expect(recorder.workload('web-1:80')).toBe(before);
      expect(source.status()).toMatchObject({ connected: false, error: expect.stringContaining('docker.sock') });
      await engine.start();
      await recorder.until(() => recorder.problems().length === 0);
      expect(source.status().connected).toBe(true);
      expect(recorder.workload('web-1:80')).toBe(before);
      await post(id, 'kill?signal=SIGKILL');
      await recorder.until(summary([]));
    });

    it('publishes nothing more after it was stopped', async () => {
      stop.abort();
      await running;
      const published = recorder.states.length;
      await engine.control.run({ name: 'web-1', labels: WEB });
      expect(recorder.states.length).toBe(published);
    });
  });
}
