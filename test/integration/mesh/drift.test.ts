import { readFile } from 'node:fs/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { execOk } from '../../../src/lib/exec.ts';
import { cleanup } from '../../../src/mesh/mesh.ts';
import { eventually } from '../../support/eventually.ts';
import { createNetns, type Netns } from '../../support/netns.ts';
import { service } from '../../support/services.ts';
import { RunningMesh } from './world.ts';

const web = service('web', {
  vip: '10.96.0.1',
  vip6: 'fd00:f1::1',
  ports: [{ port: 80, publish: 8000 }],
  endpoints: { a: { address: '10.1.0.11', address6: 'fd00:1::11' }, b: '10.1.0.12' },
});
const api = service('api', { vip: '10.96.0.2', endpoints: { a: '10.1.0.13' } });

let host: Netns;
const nftCommand = () => ['ip', 'netns', 'exec', host.name, 'nft'] as const;
const nft = (script: string) => host.feed(script, 'nft', '-f', '-');
const ruleset = () => host.run('nft', 'list', 'ruleset');

beforeEach(async () => {
  host = await createNetns('host');
});

afterEach(async () => {
  await host.remove();
});

/** Process ids of the monitors in the namespace. */
async function monitors(): Promise<readonly number[]> {
  const { stdout } = await execOk('ip', ['netns', 'pids', host.name]);
  const pids = stdout.trim().split('\n').map(Number);
  const commands = await Promise.all(pids.map((pid) => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')));
  return pids.filter((_pid, i) => commands[i]?.split('\0').includes('monitor'));
}

/** A mesh that has seen one of its own transactions reported, so that its monitor is known to listen. */
async function listening(): Promise<RunningMesh> {
  const running = new RunningMesh(nftCommand());
  await running.apply(web);
  await eventually('the monitor listens', async () => {
    await running.apply(web, api);
    await running.apply(web);
    return running.mesh.isWatching;
  });
  return running;
}

describe('what others change is put right within two seconds', () => {
  test.each([
    ['everything flushed', 'flush ruleset'],
    ['one table deleted', 'delete table ip6 fairlead'],
    ['a chain emptied', 'flush chain ip fairlead dispatch'],
    ['a chain gone', 'flush chain ip fairlead nat_output\ndelete chain ip fairlead nat_output'],
    ['a foreign rule', 'insert rule ip fairlead dispatch accept'],
    ['a foreign chain', 'add chain ip fairlead intruder'],
    ['an element deleted', 'delete element ip fairlead services { 10.96.0.1 . tcp . 80 }'],
    ['a foreign element', 'add element ip fairlead slots { 10.96.0.9 . tcp . 80 . 0 : 10.9.9.9 . 1 }'],
    [
      'an element sent elsewhere',
      'delete element ip fairlead slots { 10.96.0.1 . tcp . 80 . 0 }\nadd element ip fairlead slots { 10.96.0.1 . tcp . 80 . 0 : 10.9.9.9 . 1 }',
    ],
    ['all elements of a map flushed', 'flush map ip fairlead slots'],
  ])('%s', async (_what, script) => {
    await using running = await listening();
    const before = words(await ruleset());
    await nft(script);
    await eventually('repaired', async () => words(await ruleset()) === before);
    expect(await running.mesh.check()).toEqual([]);
    await eventually('counted', async () => (await running.metric('fairlead_mesh_drift_total')) === 1);
  });

  test('our own saved rules, loaded again from an older time', async () => {
    await using running = await listening();
    const saved = await ruleset();
    await running.apply(web, api);
    await nft(`flush ruleset\n${saved}`);
    await eventually('repaired', async () => (await running.mesh.check()).length === 0);
  });

  test('an element that a change of ours would have deleted', async () => {
    await using running = await listening();
    await nft('delete element ip fairlead services { 10.96.0.1 . tcp . 80 }');
    await running.apply(api);
    expect(await running.mesh.check()).toEqual([]);
  });
});

test('the death of the monitor is survived', async () => {
  await using running = await listening();
  for (const pid of await monitors()) process.kill(pid, 'SIGKILL');
  await nft('flush ruleset');
  await eventually('repaired', async () => (await ruleset()).includes('10.96.0.1'));
  expect(running.mesh.status().inSync).toBe(true);
});

test('others’ rules are no concern of ours: untouched, and not read', async () => {
  await nft('table inet theirs { chain c { type filter hook input priority 0; tcp dport 22 accept; }\n }');
  const theirs = await host.run('nft', '-a', 'list', 'table', 'inet', 'theirs');
  {
    await using running = await listening();
    await nft('add rule inet theirs c tcp dport 23 drop');
    await nft('flush chain inet theirs c\nadd rule inet theirs c tcp dport 22 accept');
    await running.apply(web, api);
    expect(await running.metric('fairlead_mesh_drift_total')).toBe(0);
  }
  await cleanup(nftCommand());
  const left = await host.run('nft', 'list', 'ruleset');
  expect(left).toBe(`${theirs.replace(/ # handle \d+/g, '')}`);
});

test('a new process takes over what an earlier one left and writes nothing', async () => {
  {
    await using running = new RunningMesh(nftCommand());
    await running.apply(web, api);
  }
  const left = await host.run('nft', '-a', 'list', 'ruleset');
  const monitor = host.spawn('nft', ['monitor']);
  let seen = '';
  monitor.stdout.on('data', (chunk) => {
    seen += chunk;
  });
  await eventually('the monitor listens', async () => {
    await nft('add table inet probe\ndelete table inet probe');
    return seen.includes('probe');
  });
  seen = '';
  {
    await using running = new RunningMesh(nftCommand());
    await running.apply(web, api);
    expect(await running.metric('fairlead_mesh_drift_total')).toBe(0);
  }
  await nft('add table inet last');
  await eventually('the last change', () => seen.includes('inet last'));
  expect(seen).not.toContain('fairlead');
  await nft('delete table inet last');
  expect(await host.run('nft', '-a', 'list', 'ruleset')).toBe(left);
});

test('a new process changes only what differs', async () => {
  {
    await using running = new RunningMesh(nftCommand());
    await running.apply(web, api);
  }
  const handles = () => host.run('nft', '-a', 'list', 'chains');
  const before = await handles();
  await using running = new RunningMesh(nftCommand());
  await running.apply(web);
  expect(await running.mesh.check()).toEqual([]);
  expect(await handles()).toBe(before);
  expect(await ruleset()).not.toContain('10.96.0.2');
});

test('an older skeleton is replaced as one', async () => {
  await nft('table ip fairlead { map services { type ipv4_addr : verdict; }\n chain old { }\n }');
  await using running = new RunningMesh(nftCommand());
  await running.apply(web);
  expect(await running.mesh.check()).toEqual([]);
  expect(await ruleset()).not.toContain('chain old');
});

test('repair and check answer on demand', async () => {
  await using running = await listening();
  await nft('delete element ip fairlead vips { 10.96.0.1 }');
  await running.mesh.repair();
  expect(await running.mesh.check()).toEqual([]);
});

test('what the plan prints is what nft takes', async () => {
  await using running = new RunningMesh(nftCommand());
  await running.apply(web, api);
  const text = running.mesh.planText();
  await nft('flush ruleset');
  await nft(text);
  expect(await running.mesh.check()).toEqual([]);
});

test('cleanup leaves nothing, and does so twice', async () => {
  {
    await using running = new RunningMesh(nftCommand());
    await running.apply(web, api);
  }
  await cleanup(nftCommand());
  await cleanup(nftCommand());
  expect(await ruleset()).toBe('');
});

test('a missing nft is named, with what to do', async () => {
  await using running = new RunningMesh(['no-such-nft']);
  await expect(running.apply(web)).rejects.toThrow();
  expect(running.mesh.status()).toMatchObject({ inSync: false, error: expect.stringContaining('install the package') });
});

/** A ruleset whatever the order of its tables and elements, and without the number of our last transaction. */
const words = (text: string): string =>
  text
    .replaceAll(/0x[\da-f]{8} \}/g, '}')
    .split(/[\s,]+/)
    .sort()
    .join(' ');
