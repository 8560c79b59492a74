import { systemClock } from '../../src/lib/clock.ts';
import type { Logger } from '../../src/lib/logger.ts';
import { silentLogger } from '../../src/lib/logger.ts';
import { EmbeddedRegistry } from '../../src/registry/embedded/embedded.ts';
import type { Picture } from '../../src/registry/registry.ts';

/** An embedded registry at work. */
export interface RunningRegistry {
  readonly registry: EmbeddedRegistry;
  /** The newest picture, as soon as there is one. */
  picture(): Promise<Picture>;
  /** Ends it; rejects with what `run` rejected with. */
  stop(): Promise<void>;
}

export function startEmbedded(dataDir: string, log: Logger = silentLogger): RunningRegistry {
  const stop = new AbortController();
  const registry = new EmbeddedRegistry({
    dataDir,
    node: { name: 'n1', address: '192.168.50.11' },
    version: '0.1.0',
    clock: systemClock,
    log,
  });
  const ended = registry.run(stop.signal);
  // Shown by `stop` and by `picture`.
  ended.catch(() => {});
  return {
    registry,
    picture: async () => {
      const first = registry.watch(stop.signal)[Symbol.asyncIterator]().next();
      const result = await Promise.race([first, ended.then(() => first)]);
      if (result.done) throw new Error('the registry ended');
      return result.value;
    },
    stop: async () => {
      stop.abort();
      await ended;
    },
  };
}
