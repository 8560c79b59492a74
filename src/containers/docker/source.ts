import { Backoff } from '../../lib/backoff.ts';
import type { Clock } from '../../lib/clock.ts';
import { describeError, errorCode } from '../../lib/errors.ts';
import type { Logger } from '../../lib/logger.ts';
import type { Problem } from '../../model/service.ts';
import type { PublishSource } from '../../model/source.ts';
import { DockerClient, type ExecOutcome } from './client.ts';
import { Coalescer } from './coalescer.ts';
import { Picture } from './picture.ts';
import { DockerSession } from './session.ts';

export interface DockerSourceOptions {
  /** `unix:///var/run/docker.sock` */
  readonly endpoint: string;
  /** Where containers on the host's own network are reached. */
  readonly nodeAddress: () => string;
  readonly clock: Clock;
  readonly log: Logger;
  /** Called after the first sync, then at every change; never before Docker has answered once. */
  readonly publish: PublishSource;
  /** Between two looks at everything, in case an event was lost. */
  readonly resyncMs: number;
}

export interface DockerStatus {
  readonly connected: boolean;
  /** When everything was last compared with Docker, milliseconds since the epoch; undefined before the first time. */
  readonly lastSync?: number;
  /** Why it is not connected. */
  readonly error?: string;
}

/** Bursts of starts are gathered for this long; an end is never kept back. */
const GATHER_MS = 20;

/**
 * The containers of this host's Docker Engine as workloads. While Docker is away its containers may well go on running,
 * so what was known of them is kept, with a problem that says so.
 */
export class DockerSource {
  readonly #options: DockerSourceOptions;
  readonly #client: DockerClient;
  readonly #picture: Picture;
  readonly #publisher: Coalescer;
  readonly #backoff = new Backoff({ minMs: 100, maxMs: 5000 });
  #connected = false;
  #lastSync: number | undefined;
  #outage: Problem | undefined;
  #lastEventNano: bigint | undefined;
  #told: readonly Problem[] = [];

  constructor(options: DockerSourceOptions) {
    this.#options = options;
    this.#client = new DockerClient(options.endpoint);
    this.#picture = new Picture(options.nodeAddress);
    this.#publisher = new Coalescer({
      clock: options.clock,
      intervalMs: GATHER_MS,
      emit: (eventAt) => this.#emit(eventAt),
    });
  }

  /** Follows the Engine until the signal aborts, through its restarts; does not reject for what Docker does. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const session = this.#newSession(signal);
      const error = await session.run(signal).catch((reason: unknown) => reason);
      this.#lastEventNano = session.lastEventNano;
      this.#connected = false;
      if (signal.aborted) break;
      this.#onOutage(error);
      await this.#options.clock.sleep(this.#backoff.next(), signal);
    }
    this.#client.close();
  }

  /** Runs a command inside a container, bounded in time; keeps the first 4 KiB of its output. */
  async exec(containerId: string, command: readonly string[], timeoutMs: number): Promise<ExecOutcome> {
    return await this.#client.exec(containerId, command, timeoutMs);
  }

  /**
   * The stack of the running container with this address, of any of its networks and whether it runs a service or not;
   * undefined where there is none, and where containers of several stacks share the address.
   */
  stackOf(address: string): string | undefined {
    return this.#picture.stackOf(address);
  }

  status(): DockerStatus {
    return {
      connected: this.#connected,
      ...(this.#lastSync === undefined ? {} : { lastSync: this.#lastSync }),
      ...(this.#outage === undefined ? {} : { error: this.#outage.message }),
    };
  }

  #newSession(signal: AbortSignal): DockerSession {
    const { clock, log, endpoint, resyncMs } = this.#options;
    return new DockerSession({
      client: this.#client,
      clock,
      picture: this.#picture,
      resyncMs,
      lastEventNano: this.#lastEventNano,
      onConnected: () => {
        this.#connected = true;
        log.info({ endpoint }, 'connected to Docker');
      },
      onSynced: () => this.#onSynced(),
      onChange: ({ eventAt, urgent }) => {
        if (this.#lastSync === undefined) return;
        if (urgent) this.#publisher.now(eventAt);
        else void this.#publisher.soon(eventAt, signal);
      },
    });
  }

  #onSynced(): void {
    const isNews = this.#lastSync === undefined || this.#outage !== undefined;
    this.#lastSync = this.#options.clock.now();
    this.#outage = undefined;
    this.#backoff.reset();
    if (isNews) this.#publisher.now(undefined);
  }

  #onOutage(error: unknown): void {
    const subject = `docker ${this.#options.endpoint}`;
    const outage = { code: errorCode(error) ?? 'docker-unavailable', subject, message: describeError(error) };
    if (this.#outage?.message === outage.message) return;
    this.#outage = outage;
    if (this.#lastSync === undefined) this.#options.log.warn({ subject, code: outage.code }, outage.message);
    else this.#publisher.now(undefined);
  }

  #emit(eventAt: number | undefined): void {
    const declared = this.#picture.problems();
    const problems = this.#outage === undefined ? declared : [...declared, this.#outage];
    for (const problem of problems) {
      const { subject, code, message } = problem;
      if (!this.#told.includes(problem)) this.#options.log.warn({ subject, code }, message);
    }
    this.#told = problems;
    this.#options.publish({
      workloads: this.#picture.workloads(),
      problems,
      ...(eventAt === undefined ? {} : { eventAt }),
    });
  }
}
