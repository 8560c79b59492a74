import type { ChildProcessWithoutNullStreams } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { ServiceJson, StatusJson } from '../../src/admin/json.ts';
import { type ExecResult, exec, spawnProgram } from '../../src/lib/exec.ts';
import { eventually } from './eventually.ts';
import type { Netns } from './netns.ts';

const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url));

/** What an agent is told, as in its file; `dataDir`, `admin` and Docker (off) are filled in. */
export type AgentConfig = Readonly<Record<string, unknown>>;

export interface AgentSetup {
  readonly config?: AgentConfig;
  /** Further arguments: `--demo`, `--leave`, `--set=…`. */
  readonly args?: readonly string[];
  /** What the agent's command line is put behind inside the namespace: `setpriv …`, `unshare --mount …`. */
  readonly behind?: readonly string[];
  /** A folder of the test's, such as a small file system; default: one of its own, removed in the end. */
  readonly dataDir?: string;
}

/** A line of the agent's log. */
export interface LogLine {
  readonly level: string;
  readonly msg: string;
  readonly [field: string]: unknown;
}

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/**
 * The real agent, as a process in a network namespace, with a configuration file and a data folder that outlive its
 * restarts. Its admin API is a unix socket, which is reached from outside the namespace.
 */
export class Agent implements AsyncDisposable {
  readonly ns: Netns;
  readonly dataDir: string;
  readonly log: LogLine[] = [];
  /** Whatever it printed that is no line of the log. */
  readonly printed: string[] = [];
  readonly #folder: string;
  readonly #setup: AgentSetup;
  #child: ChildProcessWithoutNullStreams | undefined;
  #ended: Promise<Ended> = Promise.resolve({ code: null, signal: null });

  constructor(ns: Netns, folder: string, setup: AgentSetup) {
    this.ns = ns;
    this.#folder = folder;
    this.#setup = setup;
    this.dataDir = setup.dataDir ?? join(folder, 'data');
  }

  /** Of the client commands: where this agent is. */
  get adminUrl(): string {
    return `unix://${this.#socket}`;
  }

  get configFile(): string {
    return join(this.#folder, 'fairlead.yaml');
  }

  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  get #socket(): string {
    return join(this.#folder, 'admin.sock');
  }

  /** Writes the configuration anew; the next start reads it. */
  async configure(config: AgentConfig): Promise<void> {
    const whole = {
      node: { name: 'n1' },
      dataDir: this.dataDir,
      containers: { docker: 'off' },
      admin: { listen: this.adminUrl },
      ...config,
    };
    // JSON is YAML.
    await writeFile(this.configFile, JSON.stringify(whole), { mode: 0o644 });
  }

  /** Starts it, and does not wait for anything. */
  start(): void {
    const { behind = [], args = [] } = this.#setup;
    const command = [...behind, process.execPath, MAIN, 'agent', '--config', this.configFile, ...args];
    // `ip netns exec` would hide the host's /sys, as a service manager does not.
    const child = spawnProgram('nsenter', [`--net=/run/netns/${this.ns.name}`, '--', ...command]);
    this.#child = child;
    this.#ended = once(child, 'close').then(([code, signal]) => ({ code, signal }));
    createInterface({ input: child.stdout }).on('line', (line) => this.#hear(line));
    createInterface({ input: child.stderr }).on('line', (line) => void this.printed.push(line));
  }

  #hear(line: string): void {
    if (line.startsWith('{')) this.log.push(JSON.parse(line));
    else this.printed.push(line);
  }

  /** Resolves when `/readyz` says so; rejects when the process ends before. */
  async ready(deadlineMs = 20_000): Promise<void> {
    const child = this.#child;
    await eventually(
      'ready',
      async () => {
        if (child?.exitCode !== null || child.signalCode !== null) throw new Error(`the agent ended: ${this.said()}`);
        return (await this.fetch('/readyz').catch(() => undefined))?.status === 200;
      },
      deadlineMs,
    ).catch(async (error: unknown) => {
      const { body } = await this.fetch('/readyz').catch(() => ({ body: '' }));
      throw new Error(`${error}: ${body}\n${this.said()}`);
    });
  }

  async startReady(): Promise<void> {
    this.start();
    await this.ready();
  }

  /** Sends it a signal. */
  signal(signal: NodeJS.Signals): void {
    this.#child?.kill(signal);
  }

  /** Resolves when the process is gone, with how. */
  async ended(): Promise<Ended> {
    return await this.#ended;
  }

  /** Sends it a signal and waits for its end. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<Ended> {
    this.signal(signal);
    return await this.#ended;
  }

  /** Everything it wrote so far, for a failed test's message. */
  said(): string {
    return [...this.log.map((line) => JSON.stringify(line)), ...this.printed].slice(-60).join('\n');
  }

  /** The first line of the log whose message matches; waits for it. */
  async logged(message: RegExp, deadlineMs = 10_000): Promise<LogLine> {
    return await eventually(
      `${message} in the log`,
      () => this.log.find(({ msg }) => message.test(msg)),
      deadlineMs,
    ).catch((error: unknown) => {
      throw new Error(`${error}\n${this.said()}`);
    });
  }

  /** A request to the admin API; rejects only where nobody answers. */
  async fetch(path: string, method = 'GET'): Promise<{ readonly status: number; readonly body: string }> {
    const sent = request({ socketPath: this.#socket, path, method, agent: false });
    sent.end();
    const [response] = await once(sent, 'response');
    let body = '';
    for await (const chunk of response.setEncoding('utf8')) body += chunk;
    return { status: response.statusCode, body };
  }

  /** The admin API's answer, as what the caller knows it to be. */
  async get<T>(path: string): Promise<T> {
    const { status, body } = await this.fetch(path);
    if (status !== 200) throw new Error(`${path}: ${status} ${body}`);
    return JSON.parse(body);
  }

  async status(): Promise<StatusJson> {
    return await this.get<StatusJson>('/v1/status');
  }

  async services(): Promise<readonly ServiceJson[]> {
    return await this.get<readonly ServiceJson[]>('/v1/services');
  }

  /** The one service of this name (and stack `null`, where there are several); undefined where there is none. */
  async service(name: string): Promise<ServiceJson | undefined> {
    const { status, body } = await this.fetch(`/v1/services/${name}`);
    if (status === 404) return undefined;
    const [service]: readonly ServiceJson[] = JSON.parse(body);
    return service;
  }

  /** Waits for a service with an address of which the kernel knows, in a state that `is` accepts. */
  async settled(
    name: string,
    is: (service: ServiceJson) => boolean = ({ endpoints }) => endpoints.every(({ state }) => state === 'passing'),
    deadlineMs = 10_000,
  ): Promise<ServiceJson & { readonly vip: string }> {
    let last: ServiceJson | undefined;
    const look = async () => {
      last = await this.service(name);
      if (last === undefined || last.vip === null || !is(last)) return undefined;
      return (await this.status()).mesh.inSync ? { ...last, vip: last.vip } : undefined;
    };
    return await eventually(`service ${name}`, look, deadlineMs).catch((error: unknown) => {
      throw new Error(`${error}: ${JSON.stringify(last)}\n${this.said()}`);
    });
  }

  /** The value of a metric without labels, or the sum over its labels. */
  async metric(name: string): Promise<number> {
    const { body } = await this.fetch('/metrics');
    const values = [...body.matchAll(new RegExp(`^${name}(?:\\{[^}]*\\})? (\\S+)$`, 'gm'))];
    return values.reduce((sum, [, value]) => sum + Number(value), 0);
  }

  /** A client command against this agent, as an operator runs it. */
  async cli(...args: readonly string[]): Promise<ExecResult> {
    return await exec(process.execPath, [MAIN, ...args, '--admin', this.adminUrl]);
  }

  /** `fairlead mesh cleanup`, which needs no agent, on this one's host. */
  async cleanup(): Promise<ExecResult> {
    return await this.ns.exec(process.execPath, [MAIN, 'mesh', 'cleanup', '--config', this.configFile]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop('SIGKILL');
    await rm(this.#folder, { recursive: true });
  }
}

/** An agent that is not started yet. */
export async function createAgent(ns: Netns, setup: AgentSetup = {}): Promise<Agent> {
  const agent = new Agent(ns, await mkdtemp(join(tmpdir(), 'fairlead-agent-')), setup);
  await agent.configure(setup.config ?? {});
  return agent;
}

/** An agent that is ready: `await using agent = await startAgent(ns, {config})`. */
export async function startAgent(ns: Netns, setup: AgentSetup = {}): Promise<Agent> {
  const agent = await createAgent(ns, setup);
  try {
    await agent.startReady();
    return agent;
  } catch (error) {
    await agent[Symbol.asyncDispose]();
    throw error;
  }
}

/** The whole of a process's resident memory, MB. */
export async function residentMb(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) / 1024;
}

/** A static service with one endpoint per address, without a check. */
export const staticService = (name: string, ...addresses: readonly string[]) => ({
  name,
  ports: [{ port: 80 }],
  endpoints: addresses.map((address, i) => ({ id: `${name}-${i + 1}`, address, port: 8080 })),
});
