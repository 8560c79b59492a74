import type { EndpointId, Problem } from '../model/service.ts';
import type { ClusterNode, ServiceTable } from '../model/table.ts';
import type { ConnectionCounts, DrainJson, ResolveJson } from './json.ts';

export interface AgentStatus {
  readonly node: string;
  readonly version: string;
  readonly registry: {
    readonly kind: 'embedded' | 'consul';
    readonly connected: boolean;
    /** ISO 8601; null before the first. */
    readonly lastSync: string | null;
  };
  readonly mesh: {
    /** `nftables`, `iptables`, `ipvs` or `off`. */
    readonly backend: string;
    readonly inSync: boolean;
    readonly lastApplied: string | null;
  };
  /** How many. */
  readonly services: number;
  readonly endpoints: number;
  readonly warnings: readonly Problem[];
}

/** Something that must sync once before the agent is ready. */
export interface UnsyncedPart {
  /** `registry`, `dns`, `mesh`, `proxy`, `docker`, … */
  readonly part: string;
  readonly reason: string;
}

export interface ResolveQuery {
  /** As a client would ask it. */
  readonly name: string;
  /** Upper case: `A`, `SRV`, … */
  readonly type: string;
  /** The address whose view is asked for; undefined for this host's own. */
  readonly from: string | undefined;
}

/** What DNS answers to a query, and why; `stack` is absent for a client without one. */
export type ResolveAnswer = Omit<ResolveJson, 'stack'> & { readonly stack?: string };

export interface MeshControl {
  /** The ruleset the mesh would apply now, as the backend writes it. */
  plan(): string;
  /** Compares with the kernel; one line a difference, none when in sync. */
  check(): Promise<readonly string[]>;
  /** Applies everything again. */
  repair(): Promise<void>;
}

/**
 * All the admin API knows of the agent. Methods may fail with a `FairleadError`, whose code and message the client
 * sees, with the HTTP status that src/admin/errors.ts gives the code.
 */
export interface AdminBackend {
  /** The current table; undefined until the first is published. */
  table(): ServiceTable | undefined;
  status(): AgentStatus;
  /** What has not synced since the start; empty when ready. */
  readiness(): readonly UnsyncedPart[];
  nodes(): readonly ClusterNode[];
  resolve(query: ResolveQuery): Promise<ResolveAnswer>;
  /** Keeps an endpoint out of rotation on every node; resolves once the registry has it. */
  drain(id: EndpointId): Promise<DrainJson>;
  undrain(id: EndpointId): Promise<DrainJson>;
  /** Established connections by endpoint, counted now; rejects where the host cannot count them. */
  connections(): Promise<ConnectionCounts>;
  readonly mesh: MeshControl;
  /** The current table as soon as there is one, then each newer one; a slow reader gets the newest, not all. */
  subscribe(signal: AbortSignal): AsyncIterable<ServiceTable>;
  /** Prometheus text exposition format 0.0.4. */
  metrics(): Promise<string>;
}
