import { setTimeout as delay } from 'node:timers/promises';

/** Time as the code sees it, so that tests can hold it still. */
export interface Clock {
  /** Wall time, milliseconds since the epoch; may jump. Only for what is shown or shared. */
  now(): number;
  /** Monotonic milliseconds; never jumps. For every interval and timeout. */
  monotonic(): number;
  /** Resolves after `ms`, or at once when the signal aborts (without throwing). */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  sleep: async (ms, signal) => {
    try {
      await delay(ms, undefined, signal === undefined ? {} : { signal });
    } catch (error) {
      if (!(signal?.aborted ?? false)) throw error;
    }
  },
};
