/** A value that readers follow: each sees the newest at its own pace, and may skip those in between. */
export class Latest<T> {
  #current: { readonly value: T } | undefined;
  readonly #waiting = new Set<() => void>();

  get value(): T | undefined {
    return this.#current?.value;
  }

  set(value: T): void {
    this.#current = { value };
    for (const wake of this.#waiting) wake();
    this.#waiting.clear();
  }

  /** The value as soon as there is one, then each newer one that is there when asked for; ends on abort. */
  async *watch(signal: AbortSignal): AsyncGenerator<T, void, undefined> {
    let seen: { readonly value: T } | undefined;
    while (!signal.aborted) {
      const current = this.#current;
      if (current === undefined || current === seen) {
        await this.#change(signal);
        continue;
      }
      seen = current;
      yield current.value;
    }
  }

  async #change(signal: AbortSignal): Promise<void> {
    await new Promise<void>((resolve) => {
      const wake = () => {
        this.#waiting.delete(wake);
        signal.removeEventListener('abort', wake);
        resolve();
      };
      this.#waiting.add(wake);
      signal.addEventListener('abort', wake, { once: true });
    });
  }
}
