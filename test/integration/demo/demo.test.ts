import { once } from 'node:events';
import { connect } from 'node:net';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Demo } from '../../../src/demo/demo.ts';
import { systemClock } from '../../../src/lib/clock.ts';
import { spawnProgram } from '../../../src/lib/exec.ts';
import { silentLogger } from '../../../src/lib/logger.ts';
import type { Workload } from '../../../src/model/service.ts';
import type { SourceState } from '../../../src/model/source.ts';

let stop: AbortController;
let running: Promise<void>;
let state: SourceState;
let told: () => void;

beforeEach(() => {
  stop = new AbortController();
  state = { workloads: [], problems: [] };
  told = () => {};
  const publish = (next: SourceState) => {
    state = next;
    told();
  };
  running = new Demo({ clock: systemClock, log: silentLogger, publish }).run(stop.signal);
});
afterEach(async () => {
  stop.abort();
  await running;
});

async function reached(condition: (workloads: readonly Workload[]) => boolean): Promise<readonly Workload[]> {
  const deadline = AbortSignal.timeout(15_000);
  while (!condition(state.workloads)) {
    await new Promise<void>((resolve, reject) => {
      told = resolve;
      deadline.addEventListener('abort', () => reject(new Error('the demo did not get there')));
    });
  }
  return state.workloads;
}

const allPassing = (workloads: readonly Workload[]) =>
  workloads.length === 3 && workloads.every(({ health }) => health.state === 'passing');
const urlOf = (workload: Workload | undefined, host = '127.0.0.1') => `http://${host}:${workload?.ports.get('http')}`;
const pidOf = async (workload: Workload | undefined) => {
  const { pid } = (await (await fetch(`${urlOf(workload)}/json`)).json()) as { pid: number };
  return pid;
};

/** Resolves when nothing listens there any more. */
async function isClosed(port: number): Promise<void> {
  for (;;) {
    const socket = connect({ host: '127.0.0.1', port });
    const refused = await once(socket, 'connect').then(
      () => false,
      () => true,
    );
    socket.destroy();
    if (refused) return;
    await systemClock.sleep(20);
  }
}

test('three servers say who they are, on both families, and are declared like any other endpoint', async () => {
  const workloads = await reached(allPassing);
  expect(workloads.map(({ localId }) => localId).sort()).toEqual(['hello-1', 'hello-2', 'hello-3']);
  for (const workload of workloads) {
    expect(workload).toMatchObject({
      service: { name: 'hello' },
      address: '127.0.0.1',
      policy: { ports: [{ name: 'http', port: 80, protocol: 'tcp', publish: 8080 }] },
      check: { probe: { kind: 'http', path: '/healthz' }, intervalMs: 2000 },
    });
    const hosts = workload.address6 === '::1' ? ['127.0.0.1', '[::1]'] : ['127.0.0.1'];
    for (const host of hosts) {
      expect(await (await fetch(urlOf(workload, host))).text()).toBe(`hello from ${workload.localId}\n`);
      expect((await fetch(`${urlOf(workload, host)}/healthz`)).status).toBe(200);
    }
    expect(await (await fetch(`${urlOf(workload)}/json`)).json()).toMatchObject({ name: workload.localId });
  }
});

test('one that is killed is critical at once, and comes back on its port', async () => {
  const before = await reached(allPassing);
  const victim = before[0];
  process.kill(await pidOf(victim), 'SIGKILL');
  const dead = await reached((workloads) => workloads.some(({ health }) => health.state === 'critical'));
  expect(dead.filter(({ health }) => health.state === 'critical')).toMatchObject([
    { localId: victim?.localId, health: { reason: 'demo server was ended by SIGKILL' } },
  ]);
  const after = await reached(allPassing);
  expect(after.map(({ localId, ports }) => [localId, ports])).toEqual(
    before.map(({ localId, ports }) => [localId, ports]),
  );
  expect(await (await fetch(urlOf(victim))).text()).toBe(`hello from ${victim?.localId}\n`);
});

test('they end when told to', async () => {
  const workloads = await reached(allPassing);
  stop.abort();
  await running;
  for (const { ports } of workloads) await isClosed(ports.get('http') ?? 0);
});

test('they end when their supervisor is killed', async () => {
  const demo = fileURLToPath(new URL('../../../src/demo/demo.ts', import.meta.url));
  const supervisor = `
    const { Demo } = await import(${JSON.stringify(demo)});
    const clock = { monotonic: () => 0, now: () => 0, sleep: async () => {} };
    const log = { warn: () => {} };
    const publish = ({ workloads }) => {
      if (workloads.length === 3) console.log(JSON.stringify(workloads.map(({ ports }) => ports.get('http'))));
    };
    await new Demo({ clock, log, publish }).run(new AbortController().signal);
  `;
  const child = spawnProgram(process.execPath, ['--input-type=module', '-e', supervisor]);
  const [said] = (await once(child.stdout, 'data')) as [Buffer];
  child.kill('SIGKILL');
  for (const port of JSON.parse(said.toString()) as number[]) await isClosed(port);
});
