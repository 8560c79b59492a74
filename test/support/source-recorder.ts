import { systemClock } from '../../src/lib/clock.ts';
import type { Logger } from '../../src/lib/logger.ts';
import type { Problem, Workload } from '../../src/model/service.ts';
import type { PublishSource, SourceState } from '../../src/model/source.ts';

export interface Published extends SourceState {
  /** When it was published, on the monotonic clock. */
  readonly at: number;
}

/** Takes what a source publishes, and lets a test wait for a picture. */
export class SourceRecorder {
  readonly states: Published[] = [];
  readonly #watchers = new Set<() => void>();

  readonly publish: PublishSource = (state) => {
    this.states.push({ ...state, at: systemClock.monotonic() });
    for (const told of this.#watchers) told();
  };

  get last(): Published | undefined {
    return this.states.at(-1);
  }

  /** The last published workload of that local id. */
  workload(localId: string): Workload | undefined {
    return this.last?.workloads.find((workload) => workload.localId === localId);
  }

  /** `web:80 passing`, in order of ids: a whole picture at a glance. */
  summary(): readonly string[] {
    const { workloads = [] } = this.last ?? {};
    return workloads.map(({ localId, health }) => `${localId} ${health.state}`).sort();
  }

  problems(): readonly Problem[] {
    return this.last?.problems ?? [];
  }

  /** Resolves as soon as the condition holds, at a publication or now; rejects after `withinMs` with the last picture. */
  async until(condition: () => boolean, withinMs = 20_000): Promise<void> {
    if (condition()) return;
    await new Promise<void>((resolve, reject) => {
      const end = (settle: () => void) => {
        clearTimeout(timer);
        this.#watchers.delete(look);
        settle();
      };
      const look = () => {
        if (condition()) end(resolve);
      };
      const timer = setTimeout(
        () => end(() => reject(new Error(`not within ${withinMs} ms; last: ${JSON.stringify(this.last)}`))),
        withinMs,
      );
      this.#watchers.add(look);
    });
  }
}

/** A logger that keeps `level: message` of each record. */
export function recordingLogger(): { readonly log: Logger; readonly lines: readonly string[] } {
  const lines: string[] = [];
  const at = (level: string) => (_fields: object, message: string) => {
    lines.push(`${level}: ${message}`);
  };
  const log: Logger = { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error'), child: () => log };
  return { log, lines };
}
