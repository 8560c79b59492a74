/** A service's identity: `web`, or `web.shop` for one in a stack. Lower case. */
export type ServiceKey = string;

/** `<node>/<local id>`, e.g. `n1/web-1:80`. */
export type EndpointId = string;

export type Protocol = 'tcp' | 'udp';

export interface ServiceRef {
  readonly name: string;
  readonly stack?: string;
}

/** One port of a service's virtual address. */
export interface ServicePort {
  /** Unique within the service; an unnamed port is called by its number. */
  readonly name: string;
  /** The port of the virtual address. */
  readonly port: number;
  readonly protocol: Protocol;
  /** The port opened on every node, on every local address. */
  readonly publish?: number;
}

/** Which endpoint a client gets: any, or (by source address) always the same while it lives. */
export type Affinity = { readonly kind: 'none' } | { readonly kind: 'client-ip'; readonly timeoutMs?: number };

export type Traffic = 'cluster' | 'prefer-local' | 'local';
export type Schedule = 'random' | 'source-hash';

/** An L7 route as labels and static services declare it. */
export interface HttpRoute {
  readonly host?: string;
  readonly path?: string;
  readonly priority?: number;
  readonly sticky?: { readonly cookie: string; readonly mode: 'prefix' | 'insert' | 'rewrite' | 'learn' };
}

/** What an operator says of a service as a whole; every endpoint's registration carries it. */
export interface ServicePolicy {
  readonly ports: readonly ServicePort[];
  readonly affinity: Affinity;
  readonly traffic: Traffic;
  readonly schedule: Schedule;
  /** `auto`, `none`, or a fixed address within the range. */
  readonly vip: string;
  readonly drainMs: number;
  readonly http?: HttpRoute;
}

/** In rotation are `passing` and `warning`. */
export type EndpointState = 'passing' | 'warning' | 'critical' | 'draining';

export interface Health {
  readonly state: EndpointState;
  /** Why, for people: `http 503 from /healthz`, `container paused`. Empty when passing. */
  readonly reason: string;
}

/** How an active check asks. `exec` runs inside the container, or on this host for a static endpoint. */
export type Probe =
  | { readonly kind: 'http'; readonly path: string; readonly port?: number }
  | { readonly kind: 'tcp'; readonly port?: number }
  | {
      readonly kind: 'exec';
      readonly command: readonly string[];
      /** Exit code 1 is a warning, as in Consul; else it fails, as in Docker. */
      readonly warnOn1?: true;
    };

export interface CheckSpec {
  readonly probe: Probe;
  readonly intervalMs: number;
  readonly timeoutMs: number;
  /** Consecutive successes before a critical endpoint passes. */
  readonly rise: number;
  /** Consecutive failures before a passing endpoint is critical. */
  readonly fall: number;
}

export interface ContainerRef {
  readonly id: string;
  readonly name: string;
  readonly image: string;
}

/** What an endpoint is, apart from its health: common to a workload, a registration and a table's endpoint. */
export interface EndpointFacts {
  /** IPv4, or IPv6 for an endpoint that has no other. */
  readonly address: string;
  /** The second family of a dual-stack endpoint. */
  readonly address6?: string;
  /** Port name of the service → port of the endpoint. */
  readonly ports: ReadonlyMap<string, number>;
  readonly weight: number;
  readonly tags: readonly string[];
  readonly meta: ReadonlyMap<string, string>;
  readonly container?: ContainerRef;
  readonly relay: 'auto' | 'always' | 'never';
}

/** One endpoint as a source on this host (Docker, a file, the demo) declares it. Unchanged ones keep their identity. */
export interface Workload extends EndpointFacts {
  /** `web-1`, or `<container name>:<port>`; unique on this host. */
  readonly localId: string;
  readonly service: ServiceRef;
  readonly policy: ServicePolicy;
  /** What the source itself knows: Docker's HEALTHCHECK, a pause, a SIGTERM on its way. */
  readonly health: Health;
  /** An active check that fairlead runs; its result is combined with `health`, the worse wins. */
  readonly check?: CheckSpec;
}

/** One row of the registry: an endpoint as its own node tells all others. */
export interface Registration extends EndpointFacts, Health {
  readonly id: EndpointId;
  readonly node: string;
  readonly service: ServiceRef;
  readonly policy: ServicePolicy;
}

/** Something an operator should look at; never stops the rest. */
export interface Problem {
  /** Stable: `label`, `vip-exhausted`, `port-conflict`, `policy-conflict`, … */
  readonly code: string;
  /** What it is about: `container web-1`, `service web.shop`, `tcp/8080`. */
  readonly subject: string;
  /** What happened and what to do. */
  readonly message: string;
}

export const serviceKey = (ref: ServiceRef): ServiceKey =>
  ref.stack === undefined ? ref.name : `${ref.name}.${ref.stack}`;

export const endpointId = (node: string, localId: string): EndpointId => `${node}/${localId}`;

/** The part of an endpoint id after its node; node names hold no slash. */
export const localIdOf = (id: EndpointId): string => id.slice(id.indexOf('/') + 1);

/** May new connections be sent to an endpoint in this state? `warning` stays in, as in Consul. */
export const inRotation = (state: EndpointState): boolean => state === 'passing' || state === 'warning';
