import type { ChildProcessWithoutNullStreams } from 'node:child_process';
import { once } from 'node:events';
import { extname } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { Backoff } from '../lib/backoff.ts';
import type { Clock } from '../lib/clock.ts';
import { spawnProgram } from '../lib/exec.ts';
import type { Logger } from '../lib/logger.ts';
import { defaultPolicy } from '../model/policy.ts';
import type { CheckSpec, Health, ServicePolicy, Workload } from '../model/service.ts';
import type { PublishSource } from '../model/source.ts';

const NAMES = ['hello-1', 'hello-2', 'hello-3'];

/** Beside this file, in the sources as in what is built of them. */
const SERVER = fileURLToPath(new URL(`./server${extname(import.meta.url)}`, import.meta.url));

const POLICY: ServicePolicy = {
  ...defaultPolicy,
  ports: [{ name: 'http', port: 80, protocol: 'tcp', publish: 8080 }],
};

const CHECK: CheckSpec = {
  probe: { kind: 'http', path: '/healthz' },
  intervalMs: 2000,
  timeoutMs: 1000,
  rise: 1,
  fall: 2,
};

/** A server that ran this long was not the kind that dies at once. */
const STABLE_MS = 10_000;

interface Listening {
  readonly port: number;
  readonly ipv6: boolean;
}

export interface DemoOptions {
  readonly clock: Clock;
  readonly log: Logger;
  readonly publish: PublishSource;
}

/** `--demo`: three HTTP servers of our own as the service `hello`, supervised, and declared as any source declares its own. */
export class Demo {
  readonly #options: DemoOptions;
  readonly #workloads = new Map<string, Workload>();
  /** Servers that have come up, or not, at least once: before all have, what is known is not the demo. */
  readonly #settled = new Set<string>();

  constructor(options: DemoOptions) {
    this.#options = options;
  }

  /** Runs the servers until the signal aborts; resolves when all of them are gone. */
  async run(signal: AbortSignal): Promise<void> {
    await Promise.all(NAMES.map((name) => this.#supervise(name, signal)));
  }

  async #supervise(name: string, signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#options;
    const backoff = new Backoff({ minMs: 100, maxMs: 10_000 });
    let port = 0;
    while (!signal.aborted) {
      const startedAt = clock.monotonic();
      const ended = await this.#serve(name, port, signal);
      if (signal.aborted) return;
      port = ended.port;
      if (clock.monotonic() - startedAt > STABLE_MS) backoff.reset();
      const retryInMs = backoff.next();
      log.warn({ demo: name, retryInMs: Math.round(retryInMs) }, `demo server ${ended.reason}; starting it again`);
      this.#settled.add(name);
      this.#setHealth(name, { state: 'critical', reason: `demo server ${ended.reason}` });
      await clock.sleep(retryInMs, signal);
    }
  }

  /** One life of a server. */
  async #serve(
    name: string,
    port: number,
    signal: AbortSignal,
  ): Promise<{ readonly port: number; readonly reason: string }> {
    const child = spawnProgram(process.execPath, [SERVER, name, String(port)]);
    const stop = () => child.kill();
    signal.addEventListener('abort', stop, { once: true });
    child.stderr.on('data', (said: Buffer) => this.#options.log.warn({ demo: name }, said.toString().trim()));
    const ended = endOf(child);
    try {
      const listening = await Promise.race([listeningOf(child), ended]);
      if (typeof listening === 'string') return { port, reason: listening };
      if (!signal.aborted) this.#declare(name, listening);
      return { port: listening.port, reason: await ended };
    } finally {
      signal.removeEventListener('abort', stop);
    }
  }

  #declare(name: string, { port, ipv6 }: Listening): void {
    this.#settled.add(name);
    this.#workloads.set(name, {
      localId: name,
      service: { name: 'hello' },
      policy: POLICY,
      address: '127.0.0.1',
      ...(ipv6 ? { address6: '::1' } : {}),
      ports: new Map([['http', port]]),
      weight: 1,
      tags: [],
      meta: new Map(),
      relay: 'auto',
      health: { state: 'passing', reason: '' },
      check: CHECK,
    });
    this.#publish();
  }

  #setHealth(name: string, health: Health): void {
    const workload = this.#workloads.get(name);
    if (workload !== undefined) this.#workloads.set(name, { ...workload, health });
    this.#publish();
  }

  #publish(): void {
    if (this.#settled.size < NAMES.length) return;
    const { clock, publish } = this.#options;
    publish({ workloads: [...this.#workloads.values()], problems: [], eventAt: clock.monotonic() });
  }
}

/** Resolves with what a server says when it is ready; not at all when it says nothing. */
async function listeningOf(child: ChildProcessWithoutNullStreams): Promise<Listening> {
  const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as [string];
  return JSON.parse(line) as Listening;
}

/** Resolves when the program is gone, with what became of it. */
function endOf(child: ChildProcessWithoutNullStreams): Promise<string> {
  return new Promise((resolve) => {
    child.on('error', (error) => resolve(`could not be started: ${error.message}`));
    child.on('close', (code, signal) => resolve(signal === null ? `exited with ${code}` : `was ended by ${signal}`));
  });
}
