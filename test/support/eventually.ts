import { setTimeout as delay } from 'node:timers/promises';

/** Resolves with the first result of `look` that is not undefined or false; rejects after `deadlineMs`. */
export async function eventually<T>(
  what: string,
  look: () => T | Promise<T>,
  deadlineMs = 2000,
): Promise<Exclude<T, undefined | false>> {
  const deadline = performance.now() + deadlineMs;
  for (;;) {
    const result = await look();
    if (result !== undefined && result !== false) return result as Exclude<T, undefined | false>;
    if (performance.now() > deadline) throw new Error(`${what}: not within ${deadlineMs} ms`);
    await delay(10);
  }
}
