import type { Claims } from '../model/claims.ts';
import type { Problem, Registration, ServiceKey } from '../model/service.ts';
import type { ClusterNode } from '../model/table.ts';

/**
 * Everything the registry holds at one moment.
 * What did not change since the picture before keeps its identity: each row, each group of rows, `claims`, `nodes`.
 */
export interface Picture {
  /** Every node's rows, grouped by service; within a group sorted by endpoint id. */
  readonly rows: ReadonlyMap<ServiceKey, readonly Registration[]>;
  readonly nodes: readonly ClusterNode[];
  readonly claims: Claims;
  /** Entries that could not be understood, skipped and said so. */
  readonly problems: readonly Problem[];
}

/** Keys set together or not at all. */
export type Claim = ReadonlyMap<string, string>;

export type ClaimOutcome =
  | { readonly won: true }
  /** What stands in the way: the keys that hold another value. */
  | { readonly won: false; readonly held: ReadonlyMap<string, string> };

export interface RegistryStatus {
  readonly connected: boolean;
  /** When the last full picture was read, milliseconds since the epoch; undefined before the first. */
  readonly lastSync?: number;
  /** Why it is not connected. */
  readonly error?: string;
}

/**
 * Who runs where, and whether it works. Each node owns its own rows and writes no others'.
 * One contract suite (test/contract/registry.ts) runs against every backend.
 */
export interface Registry {
  readonly kind: 'embedded' | 'consul';

  /** Connects, keeps the node alive in the registry, and serves `watch`, until the signal aborts; then lets go of everything. */
  run(signal: AbortSignal): Promise<void>;

  /**
   * Makes `rows` this node's full set: adds, changes and removes exactly the difference, also to what an earlier
   * process of this node left behind. Rejects with `registry-unavailable` when it could not; the caller tries again.
   */
  register(rows: readonly Registration[]): Promise<void>;

  /** The current picture as soon as there is one, then each newer one; a slow reader gets the newest, not all. */
  watch(signal: AbortSignal): AsyncIterable<Picture>;

  /**
   * Each claim takes all its keys if every one is unset or already holds that very value; else it changes nothing.
   * Claims of one call are independent of each other and are written in few round trips. Outcomes in order.
   */
  claim(claims: readonly Claim[]): Promise<readonly ClaimOutcome[]>;

  /** Frees those of the keys that still hold the given value. */
  release(keys: Claim): Promise<void>;

  status(): RegistryStatus;
}
