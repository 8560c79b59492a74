export interface InspectorOptions<T> {
  /** At most this many at once. */
  readonly limit: number;
  readonly inspect: (id: string) => Promise<T>;
  /** Takes what was found, unless the id was asked for again or forgotten meanwhile. */
  readonly found: (id: string, result: T) => void;
}

interface Job {
  readonly done: PromiseWithResolvers<void>;
  running: boolean;
  /** What is under way is outdated: ask again, or drop it. */
  outdated: 'ask-again' | 'drop' | undefined;
}

/**
 * Looks containers up, a few at once. Any number of requests for one that waits make one look; a request while it is
 * being looked at makes one more, for that answer may be older than the reason for asking.
 */
export class Inspector<T> {
  readonly #options: InspectorOptions<T>;
  readonly #jobs = new Map<string, Job>();
  #running = 0;

  constructor(options: InspectorOptions<T>) {
    this.#options = options;
  }

  has(id: string): boolean {
    return this.#jobs.has(id);
  }

  /** Resolves when the newest look at it is done or dropped; rejects with what `inspect` threw. */
  async request(id: string): Promise<void> {
    const known = this.#jobs.get(id);
    if (known !== undefined) {
      if (known.running) known.outdated = 'ask-again';
      return await known.done.promise;
    }
    const job: Job = { done: Promise.withResolvers(), running: false, outdated: undefined };
    this.#jobs.set(id, job);
    this.#startNext();
    await job.done.promise;
  }

  /** What is being asked about it no longer matters. */
  forget(id: string): void {
    const job = this.#jobs.get(id);
    if (job === undefined) return;
    if (job.running) {
      job.outdated = 'drop';
      return;
    }
    this.#jobs.delete(id);
    job.done.resolve();
  }

  #startNext(): void {
    if (this.#running >= this.#options.limit) return;
    for (const [id, job] of this.#jobs) {
      if (job.running) continue;
      this.#running += 1;
      job.running = true;
      void this.#run(id, job);
      return;
    }
  }

  async #run(id: string, job: Job): Promise<void> {
    try {
      do {
        job.outdated = undefined;
        const result = await this.#options.inspect(id);
        if (job.outdated === undefined) this.#options.found(id, result);
      } while (wantsMore(job));
      job.done.resolve();
    } catch (error) {
      job.done.reject(error);
    } finally {
      this.#jobs.delete(id);
      this.#running -= 1;
      this.#startNext();
    }
  }
}

/** Apart, because the compiler cannot see that the field changes while `inspect` is awaited. */
const wantsMore = (job: Job): boolean => job.outdated === 'ask-again';
