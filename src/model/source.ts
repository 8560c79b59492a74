import type { Problem, Workload } from './service.ts';

/** Everything one source (Docker, a services file, the configuration, the demo) declares at one moment. */
export interface SourceState {
  readonly workloads: readonly Workload[];
  readonly problems: readonly Problem[];
  /**
   * When the event behind this change was received, on the monotonic clock, milliseconds:
   * the start of `fairlead_propagation_seconds`. Absent for a periodic look.
   */
  readonly eventAt?: number;
}

/** Takes a source's whole new state; called only when something changed, and once after the first sync. */
export type PublishSource = (state: SourceState) => void;
