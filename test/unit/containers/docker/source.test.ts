import { chmod, mkdtemp, rm } from 'node:fs/promises';
import type { ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DockerSource } from '../../../../src/containers/docker/source.ts';
import { systemClock } from '../../../../src/lib/clock.ts';
import { type FakeEngine, startFakeEngine } from '../../../support/engine.ts';
import { recordingLogger, SourceRecorder } from '../../../support/source-recorder.ts';

const WEB = { 'fairlead.name': 'web', 'fairlead.port': '80' };

let engine: FakeEngine;
let recorder: SourceRecorder;
let stop: AbortController;
let running: Promise<void> | undefined;
let logged: readonly string[];

beforeEach(async () => {
  engine = await startFakeEngine();
  recorder = new SourceRecorder();
  stop = new AbortController();
  running = undefined;
});
afterEach(async () => {
  stop.abort();
  await running;
  await engine.remove();
});

function run(options: { readonly resyncMs?: number; readonly endpoint?: string } = {}): DockerSource {
  const { log, lines } = recordingLogger();
  logged = lines;
  const source = new DockerSource({
    endpoint: options.endpoint ?? engine.host,
    nodeAddress: () => '192.168.50.11',
    clock: systemClock,
    log,
    publish: recorder.publish,
    resyncMs: options.resyncMs ?? 60_000,
  });
  running = source.run(stop.signal);
  return source;
}

const started = () => recorder.until(() => recorder.states.length > 0);
const seen = (expected: readonly string[]) => recorder.until(() => String(recorder.summary()) === String(expected));
const count = (request: string) => engine.requests.filter((other) => other === request).length;

describe('the first picture', () => {
  it('is published once, whole', async () => {
    for (let i = 0; i < 20; i += 1) await engine.run({ name: `web-${i}`, labels: WEB });
    run();
    await started();
    expect(recorder.states.length).toBe(1);
    expect(recorder.last?.workloads.length).toBe(20);
    expect(recorder.last?.eventAt).toBeUndefined();
  });

  it('misses nothing that starts while it is taken', async () => {
    engine.inject((path, _response, answer) => {
      answer();
      if (path !== '/containers/json') return;
      const { Id } = engine.docker.create('late', { Labels: WEB }) as { readonly Id: string };
      engine.inject(undefined);
      engine.docker.start(engine.docker.container(Id));
    });
    run();
    await seen(['late:80 passing']);
  });
});

it('an answer older than a death does not bring the dead back', async () => {
  run();
  await started();
  const held = Promise.withResolvers<() => void>();
  engine.inject((path, response, answer) => {
    const id = path.split('/')[2] ?? '';
    const container = engine.docker.containers.get(id);
    if (container?.name !== 'dying' || !path.endsWith('/json')) return answer();
    const alive = JSON.stringify(engine.docker.inspect(container));
    held.resolve(() => response.end(alive));
  });
  const dying = await engine.run({ name: 'dying', labels: WEB });
  const release = await held.promise;
  engine.docker.kill(engine.docker.container(dying), 'SIGKILL');
  await engine.run({ name: 'web-1', labels: WEB });
  await seen(['web-1:80 passing']);
  release();
  await engine.run({ name: 'web-2', labels: WEB });
  await recorder.until(() => recorder.workload('web-2:80') !== undefined);
  expect(recorder.states.flatMap(({ workloads }) => workloads).some(({ localId }) => localId === 'dying:80')).toBe(
    false,
  );
});

describe('a socket that is not there', () => {
  it('is waited for, publishes nothing, and is told by the status', async () => {
    await engine.stop();
    const source = run();
    await expect.poll(() => source.status().error).toContain('no Docker Engine answers');
    expect(source.status()).toMatchObject({ connected: false });
    expect(recorder.states).toEqual([]);
    await engine.start();
    await started();
    expect(source.status()).toMatchObject({ connected: true, lastSync: expect.any(Number) });
    expect(source.status().error).toBeUndefined();
    expect(logged.filter((line) => line.startsWith('warn'))).toHaveLength(1);
  });

  it('says what stands in the way, and what to do', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'fairlead-nosocket-'));
    const source = run({ endpoint: `unix://${folder}/docker.sock` });
    await expect.poll(() => source.status().error).toMatch(/docker\.sock.*set containers\.docker.*ENOENT/);
    await rm(folder, { recursive: true });
  });

  it.skipIf(process.geteuid?.() !== 0)('is told apart from one that may not be opened', async () => {
    await chmod(engine.socket, 0o600);
    await chmod(dirname(engine.socket), 0o755);
    process.seteuid?.(65_534);
    try {
      const source = run();
      await expect.poll(() => source.status().error).toMatch(/not allowed to open.*run the agent as root.*EACCES/);
    } finally {
      process.seteuid?.(0);
    }
    await started();
  });
});

describe('events', () => {
  it('of a death are published within 5 ms, without asking Docker anything', async () => {
    const ids = await Promise.all(Array.from({ length: 20 }, (_, i) => engine.run({ name: `web-${i}`, labels: WEB })));
    run();
    await started();
    const before = engine.requests.length;
    for (const [i, id] of ids.entries()) {
      engine.docker.kill(engine.docker.container(id), 'SIGKILL');
      await recorder.until(() => recorder.last?.workloads.length === 19 - i);
    }
    expect(engine.requests.length).toBe(before);
    const took = recorder.states
      .slice(1)
      .map(({ at, eventAt = 0 }) => at - eventAt)
      .sort((a, b) => a - b);
    expect(took[Math.floor(took.length / 2)]).toBeLessThan(5);
  });

  it('of 500 starts are gathered: far fewer publications than containers', async () => {
    run();
    await started();
    const begun = systemClock.monotonic();
    for (let i = 0; i < 500; i += 1) {
      const { Id } = engine.docker.create(`web-${i}`, { Labels: WEB }) as { readonly Id: string };
      engine.docker.start(engine.docker.container(Id));
    }
    await recorder.until(() => recorder.last?.workloads.length === 500);
    const gaps = (systemClock.monotonic() - begun) / 20;
    expect(recorder.states.length).toBeLessThanOrEqual(gaps + 3);
    expect(count('GET /containers/json')).toBe(1);
  });

  it('of a container that does not run yet cost no look', async () => {
    run();
    await started();
    const id = await engine.run({ name: 'web-1', labels: WEB });
    await seen(['web-1:80 passing']);
    expect(count(`GET /containers/${id}/json`)).toBe(1);
  });

  it('that got lost are made up for by the next list', async () => {
    run({ resyncMs: 30 });
    await started();
    const { Id } = engine.docker.create('web-1', { Labels: WEB }) as { readonly Id: string };
    const container = engine.docker.container(Id);
    container.status = 'running';
    container.networks.set('bridge', 7);
    await seen(['web-1:80 passing']);
    container.name = 'web-2';
    await seen(['web-2:80 passing']);
    expect(recorder.last?.eventAt).toBeUndefined();
    container.status = 'exited';
    await seen([]);
  });

  it('a periodic look at the unchanged asks only for the list, and publishes nothing', async () => {
    const id = await engine.run({ name: 'web-1', labels: WEB });
    // Else its start, within the second from which events are repeated, would be a reason to look again.
    engine.docker.forgetEvents();
    run({ resyncMs: 10 });
    await expect.poll(() => count('GET /containers/json')).toBeGreaterThan(5);
    expect(count(`GET /containers/${id}/json`)).toBe(1);
    expect(recorder.states.length).toBe(1);
  });
});

it('knows the stacks of containers that run no service, on each of their networks, while they run', async () => {
  engine.docker.createNetwork({ Name: 'back' });
  const labels = { 'com.docker.compose.project': 'shop', 'fairlead.enable': 'false' };
  const first = await engine.run({ name: 'worker-1', labels });
  const source = run();
  await started();
  expect(source.stackOf('172.17.0.2')).toBe('shop');
  await engine.run({ name: 'worker-2', labels });
  await expect.poll(() => source.stackOf('172.17.0.3')).toBe('shop');
  engine.docker.setConnected('back', { Container: first }, true);
  await expect.poll(() => source.stackOf('172.18.0.2')).toBe('shop');
  engine.docker.setConnected('back', { Container: first }, false);
  await expect.poll(() => source.stackOf('172.18.0.2')).toBeUndefined();
  engine.docker.kill(engine.docker.container(first), 'SIGKILL');
  await expect.poll(() => source.stackOf('172.17.0.2')).toBeUndefined();
  expect(source.stackOf('172.17.0.3')).toBe('shop');
  expect(recorder.states.length).toBe(1);
});

describe('a connection that breaks', () => {
  it('is made anew, and events in between are not lost', async () => {
    const id = await engine.run({ name: 'web-1', labels: WEB, command: ["trap '' TERM"] });
    run();
    await seen(['web-1:80 passing']);
    engine.cut();
    engine.docker.kill(engine.docker.container(id), 'SIGTERM');
    await seen(['web-1:80 draining']);
    expect(recorder.states.every(({ workloads }) => workloads.length === 1)).toBe(true);
  });

  it('by a line that is no JSON', async () => {
    run();
    await started();
    engine.docker.writeToFollowers('{"Type":"container",\n');
    await recorder.until(() => recorder.problems()[0]?.code === 'docker-answer');
    await recorder.until(() => recorder.problems().length === 0);
    await engine.run({ name: 'web-1', labels: WEB });
    await seen(['web-1:80 passing']);
  });

  it('in the middle of an answer', async () => {
    await engine.run({ name: 'web-1', labels: WEB });
    let broken = 0;
    engine.inject((path, response, answer) => {
      if (path !== '/containers/json' || broken >= 2) return answer();
      broken += 1;
      response.setHeader('content-length', 1000);
      response.write('[{"Id":"');
      response.destroy();
    });
    run();
    await seen(['web-1:80 passing']);
    expect(broken).toBe(2);
  });
});

describe('one container Docker cannot tell about', () => {
  const breakOne = (id: string, fault: (response: ServerResponse) => void) =>
    engine.inject((path, response, answer) => (path === `/containers/${id}/json` ? fault(response) : answer()));

  it.each<[string, (response: ServerResponse) => void, RegExp]>([
    ['rubbish', (response) => response.end('<html>'), /not JSON/],
    ['another shape', (response) => response.end('[]'), /no container/],
    ['an error', (response) => response.writeHead(500).end('{"message":"boom"}'), /500: "boom"/],
  ])('%s: is a problem of its own, and its last good state holds', async (_title, fault, message) => {
    const id = await engine.run({ name: 'web-1', labels: WEB });
    run({ resyncMs: 50 });
    await seen(['web-1:80 passing']);
    breakOne(id, fault);
    engine.docker.rename(engine.docker.container(id), 'web-9');
    await recorder.until(() => recorder.problems().length === 1);
    expect(recorder.problems()[0]).toMatchObject({ code: 'docker-inspect', subject: 'container web-1' });
    expect(recorder.problems()[0]?.message).toMatch(message);
    expect(recorder.summary()).toEqual(['web-1:80 passing']);
    await engine.run({ name: 'web-2', labels: WEB });
    await seen(['web-1:80 passing', 'web-2:80 passing']);
    engine.inject(undefined);
    await seen(['web-2:80 passing', 'web-9:80 passing']);
    expect(recorder.problems()).toEqual([]);
  });
});

describe('what answers at the socket', () => {
  it.each<[string, string | undefined, RegExp]>([
    ['is no Docker', undefined, /not a Docker Engine/],
    ['is too old', '1.39', /1\.39.*upgrade Docker/],
  ])('%s', async (_title, version, message) => {
    engine.inject((_path, response) => {
      if (version !== undefined) response.setHeader('api-version', version);
      response.end('OK');
    });
    const source = run();
    await expect.poll(() => source.status().error).toMatch(message);
  });
});
