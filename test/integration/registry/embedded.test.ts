import { once } from 'node:events';
import { appendFile, mkdir, mkdtemp, open, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { DatabaseSync } from 'node:sqlite';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { exec, execOk, spawnProgram } from '../../../src/lib/exec.ts';
import { type Logger, silentLogger } from '../../../src/lib/logger.ts';
import { type RunningRegistry, startEmbedded } from '../../support/embedded.ts';
import { grouped, row } from '../../support/rows.ts';

let dataDir: string;
let running: RunningRegistry[];

beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'fairlead-registry-'));
  running = [];
});

afterEach(async () => {
  await Promise.allSettled(running.map((each) => each.stop()));
  await rm(dataDir, { recursive: true });
});

function start(log?: Logger): RunningRegistry {
  const started = startEmbedded(dataDir, log);
  running.push(started);
  return started;
}

const file = (name = 'registry.db') => join(dataDir, name);

/** Writes something with one agent, which ends. */
async function seed(): Promise<void> {
  const { registry, picture, stop } = start();
  await picture();
  await registry.register([row('web', 'a:80')]);
  await registry.claim([new Map([['port/tcp/80', 'web']])]);
  await stop();
}

describe('killed at any point', () => {
  const hammer = fileURLToPath(new URL('../../support/registry-hammer.ts', import.meta.url));

  /** Lets the hammer write from `first` on, kills it after `ms`, and gives the last number it acknowledged. */
  async function killAfter(first: number, ms: number): Promise<number> {
    const child = spawnProgram(process.execPath, ['--no-warnings', hammer, dataDir, String(first)]);
    const closed = once(child, 'close');
    let last = first - 1;
    let said = '';
    child.stderr.on('data', (chunk: Buffer) => {
      said += chunk.toString();
    });
    child.stdout.once('data', () => setTimeout(() => child.kill('SIGKILL'), ms));
    for await (const line of createInterface(child.stdout)) last = Number(line);
    const [, signal] = await closed;
    expect({ signal, said }).toEqual({ signal: 'SIGKILL', said: '' });
    return last;
  }

  test('nothing acknowledged is lost and nothing is half there, fifty times', async () => {
    let last = 0;
    for (let round = 0; round < 50; round++) {
      last = await killAfter(last + 1, (round * 7) % 40);
      const { picture, stop } = start();
      const { rows, claims, problems } = await picture();
      await stop();
      expect(problems).toEqual([]);
      const written = new Set(rows.get('web')?.map((each) => each.reason));
      expect(rows.get('web')).toHaveLength(20);
      expect(written.size).toBe(1);
      expect(Number([...written][0])).toBeGreaterThanOrEqual(last);
      // Of each pair of claims both keys are there or none; the last acknowledged one, or those of the write under way.
      const names = [...claims].filter(([key]) => key.startsWith('vip/name/'));
      for (const [key, value] of names) expect(claims.get(`vip/addr/${value}`)).toBe(key.slice('vip/name/'.length));
      expect(claims.size).toBe(names.length * 2);
      expect(Math.max(...names.map(([, value]) => Number(value)))).toBeGreaterThanOrEqual(last);
      last = Math.max(last, ...names.map(([, value]) => Number(value)), Number([...written][0]));
    }
    const database = new DatabaseSync(file());
    expect(database.prepare('PRAGMA integrity_check').all()).toEqual([{ integrity_check: 'ok' }]);
    database.close();
    expect((await readdir(dataDir)).filter((name) => name.includes('corrupt'))).toEqual([]);
  });
});

describe('a file that cannot be used is set aside', () => {
  const damage: [string, () => Promise<void>][] = [
    ['no database', () => writeFile(file(), 'this is not a database, and it is longer than a header'.repeat(20))],
    [
      'a database with a damaged page',
      async () => {
        await seed();
        const { size } = await stat(file());
        const handle = await open(file(), 'r+');
        await handle.write(Buffer.alloc(size - 4096, 0xa5), 0, size - 4096, 4096);
        await handle.close();
      },
    ],
    [
      'cut off in the middle',
      async () => {
        await seed();
        await truncate(file(), 5000);
      },
    ],
    [
      'of a newer schema',
      async () => {
        await seed();
        const database = new DatabaseSync(file());
        database.exec('PRAGMA user_version = 2');
        database.close();
      },
    ],
    [
      'a database of something else',
      async () => {
        const database = new DatabaseSync(file());
        database.exec('CREATE TABLE claim (something TEXT); PRAGMA user_version = 1');
        database.close();
      },
    ],
  ];

  test.each(damage)('%s', async (_, make) => {
    await make();
    const before = await readFile(file());
    const told: string[] = [];
    const { registry, picture, stop } = start({ ...silentLogger, error: (_fields, message) => told.push(message) });
    const first = await picture();
    expect(first.rows.size + first.claims.size).toBe(0);
    expect(first.problems).toMatchObject([{ code: 'registry-set-aside' }]);
    const aside = (await readdir(dataDir)).find((name) => /^registry\.db\.corrupt-\d{8}T\d{6}Z$/.test(name)) ?? '';
    expect(told).toEqual([first.problems[0]?.message]);
    expect(told[0]).toContain(aside);
    expect(await readFile(file(aside))).toEqual(before);
    await registry.register([row('web', 'a:80')]);
    await registry.claim([new Map([['port/tcp/80', 'web']])]);
    expect((await picture()).problems).toEqual(first.problems);
    await stop();
    const next = await start().picture();
    expect(next.rows).toEqual(grouped(row('web', 'a:80')));
    expect(next.problems).toEqual([]);
  });

  test('an empty file is a new one', async () => {
    await writeFile(file(), '');
    expect((await start().picture()).problems).toEqual([]);
  });

  test('a row that is not understood is left out, named, and gone with the first registration', async () => {
    await seed();
    const database = new DatabaseSync(file());
    database.exec(`INSERT INTO registration VALUES ('n1/b:80', '{"v":1}'), ('n1/c:80', 'x')`);
    database.close();
    const { registry, picture, stop } = start();
    const first = await picture();
    expect([...first.rows.keys()]).toEqual(['web']);
    expect(first.problems.map((problem) => problem.subject)).toEqual([
      'registry entry "n1/b:80"',
      'registry entry "n1/c:80"',
    ]);
    await registry.register([row('web', 'a:80')]);
    expect((await picture()).problems).toEqual([]);
    await stop();
    expect((await start().picture()).problems).toEqual([]);
  });
});

describe('the data directory', () => {
  test('is made where there is none, for this user only', async () => {
    dataDir = join(dataDir, 'deeper', 'down');
    await start().picture();
    expect((await stat(dataDir)).mode & 0o777).toBe(0o700);
    dataDir = join(dataDir, '..', '..');
  });

  test('serves one agent: the second is told, the first goes on, and after it there is room', async () => {
    const first = start();
    await first.picture();
    const second = start();
    await expect(second.picture()).rejects.toMatchObject({ code: 'data-dir-in-use' });
    await first.registry.register([row('web', 'a:80')]);
    await first.stop();
    expect((await start().picture()).rows.size).toBe(1);
  });

  test('is in use for another process too', async () => {
    await start().picture();
    const hammer = fileURLToPath(new URL('../../support/registry-hammer.ts', import.meta.url));
    const { exitCode, stderr } = await exec(process.execPath, [hammer, dataDir]);
    expect(exitCode).not.toBe(0);
    expect(stderr).toContain(`another process has ${file()} open`);
  });

  test('with a file in its place is an error at once', async () => {
    dataDir = join(dataDir, 'taken');
    await writeFile(dataDir, '');
    await expect(start().picture()).rejects.toMatchObject({ code: 'data-dir-unusable' });
  });
});

describe('a full disk', () => {
  beforeEach(async () => {
    await execOk('mount', ['-t', 'tmpfs', '-o', 'size=512k', 'fairlead-test', dataDir]);
  });

  afterEach(async () => {
    await Promise.allSettled(running.map((each) => each.stop()));
    await execOk('umount', [dataDir]);
  });

  const fill = async () => {
    await appendFile(file('filler'), Buffer.alloc(1024 * 1024)).catch((error: NodeJS.ErrnoException) => {
      expect(error.code).toBe('ENOSPC');
    });
  };

  test('refuses the write, serves on, and writes again when there is room', async () => {
    const { registry, picture, stop } = start();
    await picture();
    const small = [row('web', 'a:80')];
    await registry.register(small);
    await registry.claim([new Map([['port/tcp/80', 'web']])]);
    const before = await picture();
    await fill();

    const large = Array.from({ length: 500 }, (_, i) => row('api', `e${i}:80`));
    const claims = Array.from({ length: 2000 }, (_, i) => new Map([[`drain/n1/e${i}:80`, 'x'.repeat(100)]]));
    await expect(registry.register([...small, ...large])).rejects.toMatchObject({ code: 'registry-unavailable' });
    expect(registry.status()).toMatchObject({ connected: false, error: expect.stringContaining('full') });
    await expect(registry.claim(claims)).rejects.toMatchObject({ code: 'registry-unavailable' });
    expect(await picture()).toBe(before);

    await rm(file('filler'));
    await registry.register(small);
    expect(registry.status().connected).toBe(true);
    expect(await registry.claim([new Map([['port/tcp/81', 'web']])])).toEqual([{ won: true }]);
    await stop();
    const after = await start().picture();
    expect(after.rows).toEqual(before.rows);
    expect(after.claims.size).toBe(2);
    expect(after.problems).toEqual([]);
  });

  test('at the start is waited out', async () => {
    await mkdir(join(dataDir, 'sub'));
    await fill();
    const inner = startEmbedded(join(dataDir, 'sub'));
    running.push(inner);
    await expect(inner.registry.register([])).rejects.toMatchObject({ code: 'registry-unavailable' });
    expect(inner.registry.status().connected).toBe(false);
    await rm(file('filler'));
    await inner.picture();
    expect(inner.registry.status().connected).toBe(true);
  });
});
