import { once } from 'node:events';
import { createReadStream } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { exec, execOk, spawnProgram } from '../../src/lib/exec.ts';
import { BUSYBOX, findBusybox, layBusybox, layNode, NODE } from './images.ts';
import { createNetns, type Netns } from './netns.ts';

export interface DockerdOptions {
  /** Whose network the Engine and its bridges live in; without one it gets a namespace of its own. */
  readonly netns?: Netns;
  /** Further options of `dockerd`, e.g. `--bip=172.30.0.1/24`, `--live-restore`. */
  readonly flags?: readonly string[];
}

export interface ContainerSpec {
  readonly name?: string;
  /** Default: busybox. */
  readonly image?: string;
  /** Default: waits until SIGTERM. */
  readonly command?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly labels?: Readonly<Record<string, string>>;
  /** `80/tcp` */
  readonly expose?: readonly string[];
  /** Docker's own publishing: `{'80/tcp': 8080}`. */
  readonly publish?: Readonly<Record<string, number>>;
  /** A network's name, `host`, `none`, `container:<id>`; default: the default bridge. */
  readonly network?: string;
  readonly dns?: readonly string[];
  /** As the Engine takes it: `{Test: ['CMD', '/bin/true'], Interval: 1e9}` (nanoseconds). */
  readonly healthcheck?: object;
  /** Merged into HostConfig. */
  readonly hostConfig?: object;
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
export class Dockerd implements AsyncDisposable {
  readonly netns: Netns;
  readonly socket: string;
  readonly #root: string;
  readonly #options: DockerdOptions;
  #process: ReturnType<typeof spawnProgram> | undefined;
  #log = '';

  constructor(root: string, netns: Netns, options: DockerdOptions) {
    this.#root = root;
    this.netns = netns;
    this.socket = join(root, 'docker.sock');
    this.#options = options;
  }

  /** The endpoint in the spelling of DOCKER_HOST. */
  get host(): string {
    return `unix://${this.socket}`;
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

  /** SIGTERM stops its containers too (unless `--live-restore`); SIGKILL leaves them running. */
  async stop(signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM'): Promise<void> {
    const child = this.#process;
    this.#process = undefined;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, 'exit');
    child.kill(signal);
    await gone;
    await rm(join(this.#root, 'dockerd.pid'), { force: true });
  }

  /** Stops and removes everything: containers, processes, mounts, files, and the namespace if it was made here. */
  async remove(): Promise<void> {
    if (this.#process !== undefined) {
      const containers = await this.api('GET', '/containers/json?all=1').catch(() => []);
      await Promise.all(idsOf(containers).map((id) => this.removeContainer(id).catch(() => undefined)));
    }
    await this.stop();
    await killMentioning(this.#root);
    await unmountBelow(this.#root);
    await rm(this.#root, { recursive: true, force: true, maxRetries: 5 });
    if (this.#options.netns === undefined) await this.netns.remove();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.remove();
  }

  /** A request to the Engine's API; resolves with the decoded answer, rejects on any status from 400. */
  async api(method: string, path: string, body?: object): Promise<unknown> {
    const payload = body === undefined ? undefined : JSON.stringify(body);
    return await send(this.socket, method, path, payload, 'application/json');
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

  /** Creates a container; resolves with its id. */
  async create(spec: ContainerSpec = {}): Promise<string> {
    const name = spec.name === undefined ? '' : `?name=${encodeURIComponent(spec.name)}`;
    const created = await this.api('POST', `/containers/create${name}`, {
      Image: spec.image ?? BUSYBOX,
      Cmd: spec.command ?? ['/bin/sh', '-c', 'trap exit TERM; sleep 1000000 & wait'],
      Env: Object.entries(spec.env ?? {}).map(([key, value]) => `${key}=${value}`),
      Labels: spec.labels ?? {},
      ExposedPorts: Object.fromEntries(
        [...(spec.expose ?? []), ...Object.keys(spec.publish ?? {})].map((p) => [p, {}]),
      ),
      ...(spec.healthcheck === undefined ? {} : { Healthcheck: spec.healthcheck }),
      HostConfig: {
        ...(spec.network === undefined ? {} : { NetworkMode: spec.network }),
        ...(spec.dns === undefined ? {} : { Dns: spec.dns }),
        PortBindings: Object.fromEntries(
          Object.entries(spec.publish ?? {}).map(([port, host]) => [port, [{ HostPort: String(host) }]]),
        ),
        ...spec.hostConfig,
      },
    });
    return textField(created, 'Id');
  }

  /** Creates and starts a container; resolves with its id once it runs. */
  async run(spec: ContainerSpec = {}): Promise<string> {
    const id = await this.create(spec);
    await this.api('POST', `/containers/${id}/start`);
    return id;
  }

  /** Starts a busybox web server that answers `/` with `body` on `port` (default 80). */
  async runWeb(spec: ContainerSpec & { readonly body: string; readonly port?: number }): Promise<string> {
    const { body, port = 80, ...rest } = spec;
    const script = 'printf "%s" "$BODY" > /www/index.html; exec httpd -f -p "$PORT" -h /www';
    return await this.run({
      ...rest,
      env: { ...rest.env, BODY: body, PORT: String(port) },
      command: ['/bin/sh', '-c', script],
    });
  }

  /** Ends it at once and removes it. */
  async removeContainer(idOrName: string): Promise<void> {
    await this.api('DELETE', `/containers/${idOrName}?force=1&v=1`);
  }

  /** Its IPv4 address on a network (default: the default bridge). */
  async addressOf(idOrName: string, network = 'bridge'): Promise<string> {
    const inspected = await this.api('GET', `/containers/${idOrName}/json`);
    return textField(inspected, 'NetworkSettings', 'Networks', network, 'IPAddress');
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

/** A field of a decoded JSON answer that must be a string. */
export function textField(value: unknown, ...path: readonly string[]): string {
  let at = value;
  for (const key of path) at = at !== null && typeof at === 'object' ? Reflect.get(at, key) : undefined;
  if (typeof at !== 'string') throw new Error(`no ${path.join('.')} in ${JSON.stringify(value).slice(0, 500)}`);
  return at;
}

const idsOf = (list: unknown): readonly string[] =>
  Array.isArray(list) ? list.map((item) => textField(item, 'Id')) : [];

async function send(
  socketPath: string,
  method: string,
  path: string,
  body: string | NodeJS.ReadableStream | undefined,
  contentType: string,
): Promise<unknown> {
  return await new Promise((resolve, reject) => {
    const sent = request({ socketPath, method, path, agent: false, headers: { 'content-type': contentType } });
    sent.on('error', reject);
    sent.on('response', (response) => {
      const chunks: Buffer[] = [];
      response.on('error', reject);
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () => {
        const text = Buffer.concat(chunks).toString();
        const json = response.headers['content-type']?.startsWith('application/json') ?? false;
        if ((response.statusCode ?? 500) >= 400) reject(new Error(`${method} ${path}: ${response.statusCode} ${text}`));
        else resolve(json && !path.startsWith('/images/create') ? JSON.parse(text) : text);
      });
    });
    if (body === undefined || typeof body === 'string') sent.end(body);
    else body.pipe(sent);
  });
}

/** Ends containerd, shims and containers that a killed dockerd left: all that name our folder, and their children. */
async function killMentioning(root: string): Promise<void> {
  for (let round = 0; round < 100; round += 1) {
    const pids = await processesMentioning(root);
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
