import { createHash } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import { constants } from 'node:os';

/** The Engine says no. */
export class Refusal extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

export interface FakeContainer {
  readonly id: string;
  readonly config: {
    readonly Image?: string;
    readonly Cmd?: readonly string[];
    readonly Labels?: Readonly<Record<string, string>>;
    readonly HostConfig?: { readonly NetworkMode?: string };
    readonly StopSignal?: string;
    readonly [key: string]: unknown;
  };
  name: string;
  status: 'created' | 'running' | 'exited';
  paused: boolean;
  health: 'starting' | 'healthy' | 'unhealthy' | undefined;
  startedAt: string;
  /** Network name → last octet; an address only while it runs. */
  readonly networks: Map<string, number>;
}

interface Network {
  readonly id: string;
  readonly prefix: string;
  last: number;
}

interface Exec {
  readonly command: readonly string[];
  exitCode: number | null;
}

/** What a command does in a fake container: `[exit code, output]`; `hang` never ends. */
export type FakeCommand = (command: readonly string[]) => readonly [exitCode: number, output: string] | 'hang';

interface Follower {
  readonly response: ServerResponse;
  readonly accepts: (event: object) => boolean;
}

/** The state behind a fake Engine: containers, networks, execs, and the events of the last minutes. */
export class FakeDocker {
  readonly containers = new Map<string, FakeContainer>();
  readonly #networks = new Map<string, Network>();
  readonly #execs = new Map<string, Exec>();
  readonly #followers = new Set<Follower>();
  #events: { readonly nano: bigint; readonly event: object; readonly line: string }[] = [];
  #lastNano = 0n;
  #counter = 0;
  command: FakeCommand = () => [0, ''];

  constructor() {
    this.createNetwork({ Name: 'bridge' });
  }

  container(idOrName: string): FakeContainer {
    const found = this.containers.get(idOrName) ?? [...this.containers.values()].find(({ name }) => name === idOrName);
    if (found === undefined) throw new Refusal(404, `No such container: ${idOrName}`);
    return found;
  }

  list(all: boolean): readonly object[] {
    return [...this.containers.values()]
      .filter(({ status }) => all || status === 'running')
      .map((container) => ({
        Id: container.id,
        Names: [`/${container.name}`],
        Image: container.config.Image,
        Labels: container.config.Labels,
        State: container.paused ? 'paused' : 'running',
        Status: `Up 5 seconds${container.paused ? ' (Paused)' : container.health ? ` (${container.health})` : ''}`,
        NetworkSettings: { Networks: this.#addresses(container) },
      }));
  }

  inspect(container: FakeContainer): object {
    const { HostConfig, ...config } = container.config;
    const running = container.status === 'running';
    return {
      Id: container.id,
      Name: `/${container.name}`,
      State: {
        Status: container.paused ? 'paused' : container.status,
        Running: running,
        Paused: container.paused,
        Restarting: false,
        Dead: false,
        StartedAt: container.startedAt,
        ...(container.health === undefined ? {} : { Health: { Status: container.health, Log: [] } }),
      },
      Config: config,
      HostConfig: { NetworkMode: 'default', ...HostConfig },
      NetworkSettings: { Networks: this.#addresses(container) },
    };
  }

  create(name: string | undefined, body: unknown): object {
    this.#counter += 1;
    const config = body as FakeContainer['config'];
    const id = createHash('sha256').update(`${this.#counter}`).digest('hex');
    if ([...this.containers.values()].some((other) => other.name === name)) throw new Refusal(409, 'name in use');
    const mode = config.HostConfig?.NetworkMode ?? 'bridge';
    this.containers.set(id, {
      id,
      config,
      name: name ?? `container_${this.#counter}`,
      status: 'created',
      paused: false,
      health: undefined,
      startedAt: '0001-01-01T00:00:00Z',
      networks: new Map(mode.startsWith('container:') ? [] : [[mode, 0]]),
    });
    this.#emit('container', 'create', id);
    return { Id: id };
  }

  start(container: FakeContainer): void {
    if (container.status === 'running') return;
    for (const network of container.networks.keys()) this.#assign(container, network);
    container.status = 'running';
    container.startedAt = new Date().toISOString();
    container.health = container.config.Healthcheck === undefined ? undefined : 'starting';
    this.#emit('container', 'start', container.id);
  }

  stop(container: FakeContainer): void {
    this.kill(container, container.config.StopSignal ?? 'SIGTERM');
    this.#die(container);
    this.#emit('container', 'stop', container.id);
  }

  restart(container: FakeContainer): void {
    this.stop(container);
    this.start(container);
    this.#emit('container', 'restart', container.id);
  }

  /** A command with `trap ''` ignores everything but SIGKILL. */
  kill(container: FakeContainer, signal: string): void {
    if (container.status !== 'running') throw new Refusal(409, 'is not running');
    const number = new Map<string, number>(Object.entries(constants.signals)).get(signal) ?? Number(signal);
    this.#emit('container', 'kill', container.id, { signal: String(number) });
    const ignores = container.config.Cmd?.some((word) => word.includes("trap ''")) === true;
    if (number === constants.signals.SIGKILL || (number === constants.signals.SIGTERM && !ignores))
      this.#die(container);
  }

  setPaused(container: FakeContainer, paused: boolean): void {
    container.paused = paused;
    this.#emit('container', paused ? 'pause' : 'unpause', container.id);
  }

  setHealth(idOrName: string, health: 'starting' | 'healthy' | 'unhealthy'): void {
    const container = this.container(idOrName);
    container.health = health;
    this.#emit('container', `health_status: ${health}`, container.id);
  }

  rename(container: FakeContainer, name: string): void {
    container.name = name;
    this.#emit('container', 'rename', container.id);
  }

  destroy(container: FakeContainer): void {
    if (container.status === 'running') this.kill(container, 'SIGKILL');
    this.containers.delete(container.id);
    this.#emit('container', 'destroy', container.id);
  }

  createNetwork(body: unknown): object {
    const name = (body as { readonly Name: string }).Name;
    const id = createHash('sha256').update(`network ${name}`).digest('hex');
    this.#networks.set(name, { id, prefix: `172.${17 + this.#networks.size}`, last: 1 });
    return { Id: id };
  }

  setConnected(network: string, body: unknown, connected: boolean): void {
    const container = this.container((body as { readonly Container: string }).Container);
    if (!connected) container.networks.delete(network);
    else if (container.status === 'running') this.#assign(container, network);
    else container.networks.set(network, 0);
    this.#emit('network', connected ? 'connect' : 'disconnect', this.#networks.get(network)?.id ?? '', {
      container: container.id,
    });
  }

  createExec(container: FakeContainer, body: unknown): object {
    if (container.status !== 'running') throw new Refusal(409, `Container ${container.id} is not running`);
    this.#counter += 1;
    const id = `e${this.#counter}`;
    this.#execs.set(id, { command: (body as { readonly Cmd: readonly string[] }).Cmd, exitCode: null });
    return { Id: id };
  }

  startExec(id: string, response: ServerResponse): void {
    const exec = this.#execs.get(id);
    response.setHeader('content-type', 'application/vnd.docker.raw-stream');
    const outcome = this.command(exec?.command ?? []);
    if (exec === undefined || outcome === 'hang') {
      response.flushHeaders();
      return;
    }
    const [exitCode, output] = outcome;
    exec.exitCode = exitCode;
    const payload = Buffer.from(output);
    const header = Buffer.from([1, 0, 0, 0, 0, 0, 0, 0]);
    header.writeUInt32BE(payload.length, 4);
    response.end(Buffer.concat([header, payload]));
  }

  inspectExec(id: string): object {
    const exitCode = this.#execs.get(id)?.exitCode ?? null;
    return { ID: id, Running: exitCode === null, ExitCode: exitCode };
  }

  /** Serves `GET /events`: those kept since the time asked for, then each as it comes. */
  follow(query: URLSearchParams, response: ServerResponse): void {
    const filters = JSON.parse(query.get('filters') ?? '{}') as Readonly<Record<string, readonly string[]>>;
    const accepts = (event: object): boolean => {
      const { Type, Action } = event as { readonly Type: string; readonly Action: string };
      const action = Action.split(':')[0] ?? '';
      return filters.type?.includes(Type) !== false && filters.event?.includes(action) !== false;
    };
    const [seconds = '0', nanos = '0'] = (query.get('since') ?? '0').split('.');
    const since = BigInt(seconds) * 1_000_000_000n + BigInt(nanos.padEnd(9, '0'));
    response.setHeader('content-type', 'application/json');
    response.flushHeaders();
    for (const { nano, event, line } of this.#events) if (nano >= since && accepts(event)) response.write(line);
    const follower = { response, accepts };
    this.#followers.add(follower);
    response.on('close', () => this.#followers.delete(follower));
  }

  /** Writes something into every stream of events, as it is. */
  writeToFollowers(text: string): void {
    for (const { response } of this.#followers) response.write(text);
  }

  /** A daemon that was restarted remembers none. */
  forgetEvents(): void {
    this.#events = [];
  }

  /** It ends by itself. */
  #die(container: FakeContainer): void {
    if (container.status !== 'running') return;
    container.status = 'exited';
    container.paused = false;
    this.#emit('container', 'die', container.id, { exitCode: '0' });
  }

  #assign(container: FakeContainer, name: string): void {
    const network = this.#networks.get(name);
    if (network === undefined) return;
    network.last += 1;
    container.networks.set(name, network.last);
    if (container.status !== 'running') this.#emit('network', 'connect', network.id, { container: container.id });
  }

  #addresses(container: FakeContainer): object {
    const running = container.status === 'running';
    return Object.fromEntries(
      [...container.networks].map(([name, last]) => {
        const prefix = this.#networks.get(name)?.prefix;
        const address = prefix === undefined || !running ? '' : `${prefix}.${last >> 8}.${last & 255}`;
        return [name, { IPAddress: address, GlobalIPv6Address: '' }];
      }),
    );
  }

  #emit(type: 'container' | 'network', action: string, id: string, attributes: Record<string, string> = {}): void {
    const now = BigInt(Date.now()) * 1_000_000n;
    this.#lastNano = now > this.#lastNano ? now : this.#lastNano + 1n;
    const event = { Type: type, Action: action, Actor: { ID: id, Attributes: attributes }, scope: 'local' };
    const line = `${JSON.stringify(event).slice(0, -1)},"timeNano":${this.#lastNano}}\n`;
    this.#events = [...this.#events, { nano: this.#lastNano, event, line }].slice(-256);
    for (const { response, accepts } of this.#followers) if (accepts(event)) response.write(line);
  }
}
