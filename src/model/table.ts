import type {
  Affinity,
  EndpointFacts,
  EndpointId,
  Health,
  HttpRoute,
  Problem,
  Protocol,
  Schedule,
  ServiceKey,
  ServicePort,
  Traffic,
} from './service.ts';

export interface Endpoint extends EndpointFacts, Health {
  readonly id: EndpointId;
  readonly node: string;
}

export interface Service {
  readonly key: ServiceKey;
  readonly name: string;
  readonly stack?: string;
  /** Absent for `vip: none`, and until one is claimed. */
  readonly vip?: string;
  readonly vip6?: string;
  /** `publish` is left out here where another service holds that port. */
  readonly ports: readonly ServicePort[];
  readonly affinity: Affinity;
  readonly traffic: Traffic;
  readonly schedule: Schedule;
  readonly drainMs: number;
  readonly http?: HttpRoute;
  /** All endpoints in any state, sorted by id. */
  readonly endpoints: readonly Endpoint[];
}

export interface ClusterNode {
  readonly name: string;
  readonly address: string;
  readonly zone?: string;
  readonly state: 'passing' | 'critical';
  readonly version: string;
  /** The table revision this node's mesh has applied; 0 before the first. */
  readonly revision: number;
}

/** `tcp/8080`. */
export type PublishedPort = `${Protocol}/${number}`;

/**
 * Everything known at one moment, published whole and never changed after.
 * A service that did not change between two revisions is the same object in both: consumers diff by identity.
 */
export interface ServiceTable {
  /** Counts published tables of this process; grows by one. */
  readonly revision: number;
  readonly services: ReadonlyMap<ServiceKey, Service>;
  /** By name without stack, in stack order (the one without a stack first). */
  readonly byName: ReadonlyMap<string, readonly Service[]>;
  readonly nodes: ReadonlyMap<string, ClusterNode>;
  readonly problems: readonly Problem[];
}

export const publishedPort = (protocol: Protocol, port: number): PublishedPort => `${protocol}/${port}`;
