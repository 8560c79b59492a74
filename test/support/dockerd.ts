import { once } from 'node:events';
import { createReadStream } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { exec, execOk, spawnProgram } from '../../src/lib/exec.ts';
import { EngineControl, send } from './engine-control.ts';
import { BUSYBOX, findBusybox, layBusybox, layNode, NODE } from './images.ts';
import { createNetns, type Netns } from './netns.ts';

export interface DockerdOptions {
  /** Whose network the Engine and its bridges live in; without one it gets a namespace of its own. */
  readonly netns?: Netns;
  /** Further options of `dockerd`, e.g. `--bip=172.30.0.1/24`, `--live-restore`. */
  readonly flags?: readonly string[];
}

/** Why no Engine can be started here; undefined where one can. `describe.skipIf(reason)` and say the reason. */
export async function dockerdMissing(): Promise<string | undefined> {
  if (process.getuid?.() !== 0) return 'dockerd needs root';
  for (const program of ['dockerd', 'containerd', 'runc', 'tar', 'ip']) {
    const found = await exec(program, ['--version']).catch(() => undefined);
    if (found === undefined) return `${program} is not installed (packages docker.io, iproute2)`;
  }
  if ((await findBusybox()) === undefined) return 'no static busybox (package busybox-static)';
  const mounts = await readFile('/proc/self/mounts', 'utf8');
  if (!/ \/sys\/fs\/cgroup\S* cgroup2? /.test(mounts)) return 'no control groups are mounted at /sys/fs/cgroup';
  return undefined;
}

/** Starts an Engine with the busybox image loaded; `await using docker = await startDockerd()`. */
export async function startDockerd(options: DockerdOptions = {}): Promise<Dockerd> {
  const root = await mkdtemp(join(tmpdir(), 'fairlead-dockerd-'));
  const docker = new Dockerd(root, options.netns ?? (await createNetns('docker')), options);
  try {
    await docker.start();
    const busybox = await findBusybox();
    if (busybox === undefined) throw new Error('no static busybox');
    await docker.importImage(BUSYBOX, (folder) => layBusybox(folder, busybox), ['ENV PATH=/bin']);
    return docker;
  } catch (error) {
    await docker.remove();
    throw error;
  }
}

/** A real Docker Engine with its own data, socket, containerd and network; nothing of it outlives `remove()`. */
export class Dockerd extends EngineControl implements AsyncDisposable {
  readonly netns: Netns;
  readonly #root: string;
  readonly #options: DockerdOptions;
  #process: ReturnType<typeof spawnProgram> | undefined;
  #log = '';

  constructor(root: string, netns: Netns, options: DockerdOptions) {
    super(join(root, 'docker.sock'));
    this.#root = root;
    this.netns = netns;
    this.#options = options;
  }

  /** What dockerd said, for a failed test's message. */
  get log(): string {
    return this.#log;
  }

  async start(): Promise<void> {
    const config = join(this.#root, 'daemon.json');
    await writeFile(config, '{}');
    // `ip netns exec` would remount /sys and hide the control groups.
    const child = spawnProgram('nsenter', [
      `--net=/run/netns/${this.netns.name}`,
      'dockerd',
      `--config-file=${config}`,
      `--data-root=${join(this.#root, 'data')}`,
      `--exec-root=${join(this.#root, 'exec')}`,
      `--pidfile=${join(this.#root, 'dockerd.pid')}`,
      `--host=${this.host}`,
      '--shutdown-timeout=1',
      ...(this.#options.flags ?? []),
    ]);
    this.#process = child;
    const note = (chunk: Buffer) => {
      this.#log = `${this.#log}${chunk}`.slice(-20_000);
    };
    child.stdout.on('data', note);
    child.stderr.on('data', note);
    await this.#ready();
  }

  /** Both stop its containers too, unless `--live-restore`. SIGKILL takes containerd along, as the kernel does. */
  async stop(signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM'): Promise<void> {
    const child = this.#process;
    this.#process = undefined;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, 'exit');
    child.kill(signal);
    await gone;
    await rm(join(this.#root, 'dockerd.pid'), { force: true });
    if (signal === 'SIGKILL') await this.#endContainerd();
  }

  /** Stops and removes everything: containers, processes, mounts, files, and the namespace if it was made here. */
  async remove(): Promise<void> {
    if (this.#process !== undefined) {
      await this.removeAll().catch(() => undefined);
    }
    await this.stop();
    await killAll(() => processesMentioning(this.#root));
    await unmountBelow(this.#root);
    await rm(this.#root, { recursive: true, force: true, maxRetries: 5 });
    if (this.#options.netns === undefined) await this.netns.remove();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.remove();
  }

  /** Makes an image out of the files `lay` puts into an empty folder; `changes` are Dockerfile instructions. */
  async importImage(
    name: string,
    lay: (folder: string) => Promise<void>,
    changes: readonly string[] = [],
  ): Promise<void> {
    const folder = await mkdtemp(join(this.#root, 'image-'));
    const archive = `${folder}.tar`;
    await mkdir(folder, { recursive: true });
    await lay(folder);
    await execOk('tar', ['-C', folder, '-cf', archive, '--owner=0', '--group=0', '.']);
    const [repo = name, tag = 'latest'] = name.split(':');
    const query = new URLSearchParams({ fromSrc: '-', repo, tag });
    for (const change of changes) query.append('changes', change);
    await send(this.socket, 'POST', `/images/create?${query}`, createReadStream(archive), 'application/x-tar');
    await Promise.all([folder, archive].map((path) => rm(path, { recursive: true })));
  }

  /** Makes the image with Node (and busybox); a second or two, so only where it is needed. */
  async importNode(): Promise<void> {
    const busybox = await findBusybox();
    await this.importImage(
      NODE,
      async (folder) => {
        if (busybox !== undefined) await layBusybox(folder, busybox);
        await layNode(folder);
      },
      ['ENV PATH=/usr/bin:/bin', 'CMD ["node"]'],
    );
  }

  /** Until its parent has collected it, a dead containerd looks alive to the next dockerd. */
  async #endContainerd(): Promise<void> {
    const file = join(this.#root, 'exec/containerd/containerd.pid');
    const pid = Number(await readFile(file, 'utf8').catch(() => ''));
    if (pid > 0) await killAll(async () => ((await isRunning(pid)) ? [pid] : []));
    await rm(file, { force: true });
  }

  async #ready(): Promise<void> {
    for (const deadline = performance.now() + 60_000; ; await delay(20)) {
      const child = this.#process;
      if (child === undefined || child.exitCode !== null) throw new Error(`dockerd ended:\n${this.#log}`);
      if (await this.api('GET', '/_ping').then(Boolean, () => false)) return;
      if (performance.now() > deadline) throw new Error(`dockerd is not ready:\n${this.#log}`);
    }
  }
}

/** Kills what `find` finds until it finds nothing. */
async function killAll(find: () => Promise<readonly number[]>): Promise<void> {
  for (let round = 0; round < 200; round += 1) {
    const pids = await find();
    if (pids.length === 0) return;
    for (const pid of pids) {
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // Gone meanwhile.
      }
    }
    await delay(20);
  }
}

/** Neither gone nor a zombie. */
async function isRunning(pid: number): Promise<boolean> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  return stat !== '' && !stat.includes(') Z ');
}

/** containerd, shims and containers that a killed dockerd left: all that name our folder, and their children. */
async function processesMentioning(root: string): Promise<readonly number[]> {
  const found = new Set<number>();
  const parents = new Map<number, number>();
  for (const entry of await readdir('/proc')) {
    const pid = Number(entry);
    if (!Number.isInteger(pid) || pid === process.pid) continue;
    const [command, stat] = await Promise.all(
      ['cmdline', 'stat'].map((file) => readFile(`/proc/${entry}/${file}`, 'utf8').catch(() => '')),
    );
    const [, state, parent] = /\) (\S) (\d+) /.exec(stat ?? '') ?? [];
    if (state === 'Z') continue;
    parents.set(pid, Number(parent));
    if (command?.includes(root)) found.add(pid);
  }
  for (const [pid, parent] of parents) if (found.has(parent)) found.add(pid);
  return [...found];
}

async function unmountBelow(root: string): Promise<void> {
  const mounts = await readFile('/proc/self/mounts', 'utf8');
  const targets = mounts.split('\n').map((line) => line.split(' ')[1] ?? '');
  for (const target of targets.filter((path) => path.startsWith(`${root}/`)).reverse()) {
    await exec('umount', ['--lazy', target]);
  }
}
