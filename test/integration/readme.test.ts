import type { ChildProcessWithoutNullStreams } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { exec, execOk, spawnProgram } from '../../src/lib/exec.ts';
import { type Dockerd, dockerdMissing, startDockerd } from '../support/dockerd.ts';
import { eventually } from '../support/eventually.ts';
import { createHost } from '../support/host.ts';
import { BUSYBOX } from '../support/images.ts';
import type { Netns } from '../support/netns.ts';
import { missingFragment, readSteps } from '../support/readme.ts';
import { requires } from '../support/requires.ts';

const CHECKOUT = fileURLToPath(new URL('../..', import.meta.url));
const steps = readSteps(await readFile(join(CHECKOUT, 'README.md'), 'utf8'));

const suite = await requires({
  root: true,
  commands: ['nft', 'conntrack', 'docker', 'dig', 'curl', 'npx'],
  lacks: await dockerdMissing(),
});

/** A new user on a host of their own: its network, its Docker, and this checkout. */
suite('the README, followed by a new user', () => {
  const owned = new AsyncDisposableStack();
  let host: Netns;
  let docker: Dockerd;
  let started: ChildProcessWithoutNullStreams;
  let said = '';
  /** What is theirs in place of the real host's. */
  let environment: readonly string[];

  beforeAll(async () => {
    ({ host } = owned.use(await createHost()));
    docker = owned.use(await startDockerd({ netns: host }));
    await importImages(docker);
    const folder = await mkdtemp(join(tmpdir(), 'fairlead-readme-'));
    owned.defer(() => rm(folder, { recursive: true }));
    environment = [
      `DOCKER_HOST=${docker.host}`,
      `FAIRLEAD_CONTAINERS_DOCKER=${docker.host}`,
      `FAIRLEAD_DATA_DIR=${folder}`,
    ];
    started = spawnProgram(...inside('npm', 'start'));
    owned.defer(() => killAllIn(host));
    for (const stream of [started.stdout, started.stderr]) stream.on('data', (chunk) => (said += chunk));
    await eventually('what to try', () => isReady() || started.exitCode !== null, 120_000);
    if (!isReady()) throw new Error(`npm start did not get there:\n${said}`);
  }, 240_000);
  afterAll(() => owned.disposeAsync());

  const isReady = () => said.includes('fairlead is ready');
  const inside = (...command: readonly string[]): readonly [string, readonly string[]] => [
    'nsenter',
    [`--net=/run/netns/${host.name}`, 'env', '-C', CHECKOUT, ...environment, ...command],
  ];

  it.each(steps)('line $line: $command', async ({ command, expected }) => {
    const shell = inside('sh', '-c', command);
    // A container's news takes its milliseconds; a reader is never that fast.
    let last = '';
    const look = async () => {
      const { exitCode, stdout, stderr } = await exec(...shell, { timeoutMs: 30_000 });
      last = `exit code ${exitCode}\n${stdout}${stderr}`;
      return exitCode === 0 && missingFragment(stdout, expected) === undefined;
    };
    const deadlineMs = command.startsWith('docker') ? 0 : 10_000;
    await eventually(command, look, deadlineMs).catch((error: unknown) => {
      throw new Error(`${error}\nwanted: ${expected.join(' ')}\ngot ${last}\n${said}`);
    });
  });

  it('Ctrl-C, which npm passes on a second time, stops the agent in good order', async () => {
    const ended = once(started, 'exit');
    process.kill(await childOf(started.pid ?? 0), 'SIGINT');
    started.kill('SIGINT');
    await ended;
    expect(said).toContain('agent stopped');
    expect(await host.run('nft', 'list', 'tables')).toContain('table ip fairlead');
    await execOk(...inside('npx', 'fairlead', 'mesh', 'cleanup'));
    expect(await host.run('nft', 'list', 'tables')).not.toContain('fairlead');
  });
});

/** The README's images, made of what the tests have. */
async function importImages(docker: Dockerd): Promise<void> {
  await docker.api('POST', `/images/${BUSYBOX}/tag?repo=busybox`);
  const id = await docker.create({
    command: ['/bin/sh', '-c', 'echo "Welcome to nginx!" > /www/index.html; exec httpd -f -h /www'],
  });
  await docker.api('POST', `/commit?container=${id}&repo=nginx`);
  await docker.removeContainer(id);
}

async function childOf(pid: number): Promise<number> {
  const children = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8');
  return Number(children.trim().split(' ')[0]);
}

async function killAllIn(ns: Netns): Promise<void> {
  const { stdout } = await execOk('ip', ['netns', 'pids', ns.name]);
  for (const pid of stdout.trim().split('\n')) if (pid !== '') await exec('kill', ['-KILL', pid]);
}
