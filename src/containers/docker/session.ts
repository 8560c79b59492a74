import type { Clock } from '../../lib/clock.ts';
import { describeError, errorCode, FairleadError } from '../../lib/errors.ts';
import type { DockerClient } from './client.ts';
import type { Container } from './container.ts';
import type { DecodedEvent, DockerEvent } from './events.ts';
import { Inspector } from './inspector.ts';
import type { Picture } from './picture.ts';

export interface DockerSessionOptions {
  readonly client: DockerClient;
  readonly clock: Clock;
  /** Kept up to date; it outlives the session. */
  readonly picture: Picture;
  readonly resyncMs: number;
  /** The time of the last event of the session before, for Docker to repeat what came after it. */
  readonly lastEventNano: bigint | undefined;
  readonly onConnected: () => void;
  /** Everything has been compared with Docker. */
  readonly onSynced: () => void;
  /** The picture differs; `eventAt` as in `SourceState`. What is urgent must not be gathered with other changes. */
  readonly onChange: (change: { readonly eventAt?: number; readonly urgent: boolean }) => void;
}

const INSPECTS_AT_ONCE = 8;

/** What a look at one container found. */
type Look =
  | { readonly kind: 'container'; readonly container: Container }
  | { readonly kind: 'gone' }
  | { readonly kind: 'failed'; readonly message: string };

/** One connection to the Engine: subscribes to events, then lists, then lists again from time to time. */
export class DockerSession {
  readonly #options: DockerSessionOptions;
  readonly #inspector: Inspector<Look>;
  readonly #ended = new AbortController();
  /** What the last list said of each container that was inspected then; empty at first, so that all are. */
  readonly #fingerprints = new Map<string, string>();
  /** Receipt of the earliest event that made us ask about a container. */
  readonly #askedAt = new Map<string, number>();
  #lastEventNano: bigint | undefined;

  constructor(options: DockerSessionOptions) {
    this.#options = options;
    this.#lastEventNano = options.lastEventNano;
    this.#inspector = new Inspector({
      limit: INSPECTS_AT_ONCE,
      inspect: (id) => this.#look(id),
      found: (id, look) => this.#found(id, look),
    });
  }

  get lastEventNano(): bigint | undefined {
    return this.#lastEventNano;
  }

  /** Goes on until the connection breaks or the signal aborts; always rejects, with why. Leaves nothing running. */
  async run(signal: AbortSignal): Promise<never> {
    const { client, onConnected } = this.#options;
    const within = this.#ended.signal;
    const onAbort = () => this.#ended.abort(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    const tasks: Promise<never>[] = [];
    try {
      const engineSeconds = await client.ping(within);
      const events = await client.events(this.#since(engineSeconds), within);
      onConnected();
      tasks.push(this.#follow(events), this.#keepInSync());
      return await Promise.race(tasks);
    } catch (error) {
      throw within.aborted ? within.reason : error;
    } finally {
      signal.removeEventListener('abort', onAbort);
      this.#ended.abort();
      await Promise.allSettled(tasks);
    }
  }

  /** Docker subscribes a moment after it has answered, so it is asked to repeat what happened since just before. */
  #since(engineSeconds: number): string {
    if (this.#lastEventNano === undefined) return String(engineSeconds);
    const next = this.#lastEventNano + 1n;
    return `${next / 1_000_000_000n}.${String(next % 1_000_000_000n).padStart(9, '0')}`;
  }

  async #follow(events: AsyncIterable<DecodedEvent>): Promise<never> {
    for await (const { event, timeNano } of events) {
      this.#lastEventNano = timeNano ?? this.#lastEventNano;
      if (event !== undefined) this.#onEvent(event, this.#options.clock.monotonic());
    }
    throw new FairleadError('docker-unavailable', 'the Docker Engine closed its stream of events');
  }

  /** A death and a signal count at once and without asking; everything else only says where to look. */
  #onEvent(event: DockerEvent, eventAt: number): void {
    const { picture, onChange } = this.#options;
    const { id, kind } = event;
    switch (kind) {
      case 'gone':
        this.#inspector.forget(id);
        this.#askedAt.delete(id);
        this.#fingerprints.delete(id);
        if (picture.remove(id)) onChange({ eventAt, urgent: true });
        return;
      case 'signal':
        if (picture.signal(id, event.signal)) onChange({ eventAt, urgent: true });
        return;
      case 'started':
        this.#askAbout(id, eventAt);
        return;
      case 'changed':
        // A container that does not run yet is connected to its networks first, and then started.
        if (picture.has(id) || this.#inspector.has(id)) this.#askAbout(id, eventAt);
    }
  }

  #askAbout(id: string, eventAt: number): void {
    this.#askedAt.set(id, this.#askedAt.get(id) ?? eventAt);
    this.#inspector.request(id).catch((error: unknown) => this.#ended.abort(error));
  }

  async #keepInSync(): Promise<never> {
    const { clock, resyncMs, onSynced } = this.#options;
    for (;;) {
      await this.#sync();
      onSynced();
      await clock.sleep(resyncMs, this.#ended.signal);
      this.#ended.signal.throwIfAborted();
    }
  }

  /** Looks at every container that is new, gone, different, or on its way out. */
  async #sync(): Promise<void> {
    const { client, picture, onChange } = this.#options;
    const list = await client.list(this.#ended.signal);
    const listed = new Map(list.map(({ id, fingerprint }) => [id, fingerprint]));
    const suspects = [...new Set([...listed.keys(), ...picture.ids()])].filter(
      (id) => this.#fingerprints.get(id) !== listed.get(id) || !listed.has(id) || picture.isStopping(id),
    );
    await Promise.all(
      suspects.map(async (id) => {
        await this.#inspector.request(id);
        const fingerprint = listed.get(id);
        if (fingerprint !== undefined && picture.has(id)) this.#fingerprints.set(id, fingerprint);
      }),
    );
    if (picture.refresh()) onChange({ urgent: false });
  }

  /** Trouble with one container is its own; a connection that broke rejects, and ends the session. */
  async #look(id: string): Promise<Look> {
    try {
      return { kind: 'container', container: await this.#options.client.inspect(id, this.#ended.signal) };
    } catch (error) {
      const code = errorCode(error);
      if (code === 'docker-not-found') return { kind: 'gone' };
      if (code !== 'docker-api' && code !== 'docker-answer' && code !== 'docker-timeout') throw error;
      return { kind: 'failed', message: describeError(error) };
    }
  }

  #found(id: string, look: Look): void {
    const { picture, onChange } = this.#options;
    const eventAt = this.#askedAt.get(id);
    this.#askedAt.delete(id);
    const differs =
      look.kind === 'container'
        ? picture.put(look.container)
        : look.kind === 'gone'
          ? picture.remove(id)
          : picture.fail(id, look.message);
    if (look.kind === 'failed') this.#fingerprints.delete(id);
    if (differs) onChange({ ...(eventAt === undefined ? {} : { eventAt }), urgent: false });
  }
}
