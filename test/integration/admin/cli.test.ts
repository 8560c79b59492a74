import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AdminServer } from '../../../src/admin/server.ts';
import { systemClock } from '../../../src/lib/clock.ts';
import { spawnProgram } from '../../../src/lib/exec.ts';
import { silentLogger } from '../../../src/lib/logger.ts';
import { clusterNode, FakeAgent } from '../../support/admin.ts';
import { row } from '../../support/rows.ts';

const main = fileURLToPath(new URL('../../../src/main.ts', import.meta.url));
const agent = new FakeAgent();
const stop = new AbortController();
let folder: string;
let url: string;
let done: Promise<void>;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fairlead-cli-'));
  agent.change({ nodes: [clusterNode('n1')] });
  agent.setRows(...Array.from({ length: 5000 }, (_, i) => row(`service-${i}`, `endpoint-${i}`)));
  const listen = { kind: 'unix', path: join(folder, 'admin.sock') } as const;
  const server = new AdminServer({
    listen,
    token: 's3cret',
    backend: agent,
    clock: systemClock,
    logger: silentLogger,
  });
  url = await server.listen();
  done = server.run(stop.signal);
});

afterAll(async () => {
  stop.abort();
  await done;
  await rm(folder, { recursive: true });
});

/** The command as a process; `readAll` false takes the first piece of its output and closes the pipe. */
async function fairlead(args: readonly string[], readAll: boolean) {
  const child = spawnProgram(process.execPath, [main, ...args, '--admin', url, '--token', 's3cret']);
  const output = { stdout: '', stderr: '' };
  child.stderr.on('data', (chunk) => {
    output.stderr += chunk;
  });
  child.stdout.on('data', (chunk) => {
    output.stdout += chunk;
    if (!readAll) child.stdout.destroy();
  });
  const [exitCode] = await once(child, 'close');
  return { exitCode, ...output };
}

describe('the process', () => {
  it('prints everything before it ends', async () => {
    const { exitCode, stdout, stderr } = await fairlead(['services'], true);
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
    expect(stdout.trimEnd().split('\n')).toHaveLength(5001);
  });

  it.each([[['services']], [['services', '--json']], [['services', '--watch', '--json']]])(
    '%j ends quietly when its reader has enough',
    async (args) => {
      const result = await fairlead(args, false);
      expect(result).toMatchObject({ exitCode: 0, stderr: '' });
    },
  );

  it('exits 1 where the mesh differs', async () => {
    agent.differences = ['chain nat: missing'];
    expect(await fairlead(['mesh', 'check'], true)).toEqual({
      exitCode: 1,
      stdout: 'chain nat: missing\n',
      stderr: 'fairlead: the kernel differs in 1 place (run `fairlead mesh repair`)\n',
    });
  });
});
