import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { ServicesFileSource } from '../../../src/containers/file.ts';
import { systemClock } from '../../../src/lib/clock.ts';
import { silentLogger } from '../../../src/lib/logger.ts';
import type { SourceState } from '../../../src/model/source.ts';

/** Far below the poll's five seconds: what is seen within it was seen by the watch. */
const WATCHED_MS = 2000;

const entry = (name: string) =>
  `- name: ${name}\n  ports: [{ port: 80 }]\n  endpoints: [{ id: ${name}-1, address: 10.1.1.2, port: 3000 }]\n`;

let folder: string;
let stop: AbortController;
let running: Promise<void> | undefined;
let states: SourceState[];
let told: () => void;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fairlead-services-'));
  stop = new AbortController();
  states = [];
  told = () => {};
});
afterEach(async () => {
  stop.abort();
  await running;
  await rm(folder, { recursive: true });
});

function start(path: string): void {
  const publish = (state: SourceState) => {
    states.push(state);
    told();
  };
  running = new ServicesFileSource({ path, clock: systemClock, log: silentLogger, publish }).run(stop.signal);
}

const names = (state: SourceState | undefined) => state?.workloads.map(({ service }) => service.name).join(' ');

/** Resolves with the first state, of those to come or there, that declares exactly these services. */
async function declared(services: string, withinMs = WATCHED_MS): Promise<SourceState> {
  const deadline = AbortSignal.timeout(withinMs);
  for (;;) {
    const state = states.findLast((candidate) => names(candidate) === services);
    if (state !== undefined && state === states.at(-1)) return state;
    await new Promise<void>((resolve, reject) => {
      told = resolve;
      deadline.addEventListener('abort', () => reject(new Error(`still ${names(states.at(-1))}, not ${services}`)));
    });
  }
}

/** Resolves with the next state that is published. */
async function nextState(after: number, withinMs = WATCHED_MS): Promise<SourceState> {
  const deadline = AbortSignal.timeout(withinMs);
  for (;;) {
    const state = states[after];
    if (state !== undefined) return state;
    await new Promise<void>((resolve, reject) => {
      told = resolve;
      deadline.addEventListener('abort', () => reject(new Error('nothing was published')));
    });
  }
}

test('a file written in place, and one put in its place', async () => {
  const path = join(folder, 'services.yaml');
  await writeFile(path, entry('a'));
  start(path);
  const first = await declared('a');
  expect(first.eventAt).toBeUndefined();
  await writeFile(path, entry('a') + entry('b'));
  const second = await declared('a b');
  expect(second.workloads[0]).toBe(first.workloads[0]);
  expect(second.eventAt).toBeGreaterThan(0);
  await writeFile(join(folder, 'new'), entry('c'));
  await rename(join(folder, 'new'), path);
  await declared('c');
  await writeFile(path, entry('d'));
  await declared('d');
});

test('a file that is absent is told, and read when it appears', async () => {
  const path = join(folder, 'services.yaml');
  start(path);
  expect(await nextState(0)).toMatchObject({
    workloads: [],
    problems: [{ code: 'services-file', message: `${path}: there is no such file; it declares no services` }],
  });
  await writeFile(path, entry('a'));
  expect((await declared('a')).problems).toEqual([]);
});

test('a folder that is absent is looked for', async () => {
  const path = join(folder, 'later', 'services.yaml');
  start(path);
  await nextState(0);
  await mkdir(join(folder, 'later'));
  await writeFile(path, entry('a'));
  await declared('a', 10_000);
});

test('Kubernetes swaps a link to a folder', async () => {
  const version = async (name: string, text: string) => {
    await mkdir(join(folder, name));
    await writeFile(join(folder, name, 'services.yaml'), text);
    await symlink(name, join(folder, '..tmp'));
    await rename(join(folder, '..tmp'), join(folder, '..data'));
  };
  await version('..1', entry('a'));
  const path = join(folder, 'services.yaml');
  await symlink('..data/services.yaml', path);
  start(path);
  await declared('a');
  await version('..2', entry('b'));
  await rm(join(folder, '..1'), { recursive: true });
  await declared('b');
});

test('a link to a file elsewhere follows both', async () => {
  await mkdir(join(folder, 'elsewhere'));
  const target = join(folder, 'elsewhere', 'list.yaml');
  await writeFile(target, entry('a'));
  const path = join(folder, 'services.yaml');
  await symlink(target, path);
  start(path);
  await declared('a');
  await writeFile(target, entry('b'));
  await declared('b');
});

test('what cannot be read, and what is gone, takes nothing away', async () => {
  const path = join(folder, 'services.yaml');
  await writeFile(path, entry('a'));
  start(path);
  const good = await declared('a');
  await writeFile(path, '- name: [\n');
  const broken = await nextState(1);
  expect(broken.workloads).toEqual(good.workloads);
  expect(broken.problems).toMatchObject([
    { subject: path, message: expect.stringContaining('its services stay as they were') },
  ]);
  await rm(path);
  const gone = await nextState(2);
  expect(gone.workloads).toEqual(good.workloads);
  expect(gone.problems[0]?.message).toContain('there is no such file');
  await writeFile(path, '[]');
  expect(await declared('')).toMatchObject({ workloads: [], problems: [] });
});

test('a file that is touched, or beside another one that changes, is not published again', async () => {
  const path = join(folder, 'services.yaml');
  await writeFile(path, entry('a'));
  start(path);
  await declared('a');
  await writeFile(path, entry('a'));
  await writeFile(join(folder, 'other'), 'x');
  await writeFile(path, `${entry('a')}# done\n${entry('b')}`);
  await declared('a b');
  expect(states).toHaveLength(2);
});

test('ends at once when told to, also while it waits', async () => {
  const path = join(folder, 'services.yaml');
  await writeFile(path, '[]');
  start(path);
  await nextState(0);
  const startedAt = performance.now();
  stop.abort();
  await running;
  expect(performance.now() - startedAt).toBeLessThan(500);
});
