import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { exec } from '../../../src/lib/exec.ts';

const path = (relative: string) => fileURLToPath(new URL(`../../../${relative}`, import.meta.url));
const fairlead = (...args: readonly string[]) => exec(process.execPath, [path('src/main.ts'), ...args]);

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fairlead-cli-'));
});
afterAll(async () => await rm(folder, { recursive: true }));

test('a valid configuration: 0', async () => {
  const file = join(folder, 'good.yaml');
  await writeFile(file, 'node: { name: n1 }\nmesh: { backend: off }\n');
  expect(await fairlead('check-config', '--config', file)).toMatchObject({
    exitCode: 0,
    stdout: `${file} is valid\n`,
    stderr: '',
  });
});

test('one with errors: 2, all of them on standard error, none on standard output', async () => {
  const file = join(folder, 'bad.yaml');
  await writeFile(file, 'node: { nme: n1 }\nmesh: { backend: nftable }\n');
  const { exitCode, stdout, stderr } = await fairlead('check-config', '--config', file);
  expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: '' });
  expect(stderr).toBe(`fairlead: the configuration has 2 errors:
  ${file}:1: node.nme: unknown key; did you mean "name"?
  ${file}:2: mesh.backend: expected auto, nftables, iptables, ipvs, off, got "nftable"; did you mean "nftables"?
`);
});

test('a file that is not there: 2', async () => {
  const { exitCode, stderr } = await fairlead('agent', '--config', join(folder, 'absent.yaml'));
  expect(exitCode).toBe(2);
  expect(stderr).toContain('there is no such file');
});

test('an unknown command: 2, with what was meant', async () => {
  const { exitCode, stderr } = await fairlead('statsu');
  expect(exitCode).toBe(2);
  expect(stderr).toContain('Did you mean status?');
});

test('no agent there: 3', async () => {
  const { exitCode, stderr } = await fairlead('status', '--admin', `unix://${join(folder, 'no.sock')}`);
  expect(exitCode).toBe(3);
  expect(stderr).toContain('no agent answers');
});

test('a reader that has seen enough is no fault', async () => {
  // A pipe closed by its reader: what `| head -0` does.
  const script = `
    const { spawn } = require('node:child_process');
    const child = spawn(process.execPath, [${JSON.stringify(path('src/main.ts'))}, '--help'], { stdio: ['ignore', 'pipe', 'inherit'] });
    child.stdout.destroy();
    child.on('close', (code) => process.stdout.write(String(code)));
  `;
  expect(await exec(process.execPath, ['-e', script])).toMatchObject({ stdout: '0', stderr: '' });
});

test.each([
  ['json', 'info'],
  ['auto', 'info'],
])('the log as %s is a record a line, and what is less than its level is left out', async (format, level) => {
  const { stdout } = await logged({ level, format });
  const records = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  expect(records).toMatchObject([
    { level: 'info', msg: 'one', service: 'web' },
    { level: 'error', msg: 'two', part: 'dns', err: { message: 'boom' } },
  ]);
});

test('the pretty log is for people', async () => {
  const { stdout } = await logged({ level: 'warn', format: 'pretty' });
  expect(stdout).toContain('ERROR: two');
  expect(stdout).not.toContain('one');
  expect(stdout).not.toContain('\x1b[');
});

const logged = (options: { readonly level: string; readonly format: string }) =>
  exec(process.execPath, [
    '--input-type=module',
    '-e',
    `const { createLogger } = await import(${JSON.stringify(path('src/log.ts'))});
     const log = await createLogger(${JSON.stringify(options)});
     log.debug({}, 'zero');
     log.info({ service: 'web' }, 'one');
     log.child({ part: 'dns' }).error({ err: new Error('boom') }, 'two');
     process.exit();`,
  ]);
