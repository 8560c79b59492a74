import { type Claims, claimKeys } from './claims.ts';
import { defaultPolicy } from './policy.ts';
import type { EndpointId, Problem, Registration, ServiceKey, ServicePolicy, ServiceRef } from './service.ts';
import type { ClusterNode, Endpoint, Service, ServiceTable } from './table.ts';

export interface TableInput {
  /** This node: its own rows are taken from `local`, registry or not. */
  readonly node: string;
  /** The registry's rows of every node, by service, each group sorted by endpoint id. */
  readonly rows: ReadonlyMap<ServiceKey, readonly Registration[]>;
  /** What runs on this node now, grouped alike. */
  readonly local: ReadonlyMap<ServiceKey, readonly Registration[]>;
  readonly claims: Claims;
  readonly nodes: readonly ClusterNode[];
  readonly problems: readonly Problem[];
}

/** What one service was built from, to see at a glance that nothing changed. */
interface Origin {
  readonly rows: readonly Registration[] | undefined;
  readonly foreign: readonly Registration[];
  readonly local: readonly Registration[] | undefined;
  /** As declared, before port claims; undefined for a service that only keeps its address. */
  readonly policy: ServicePolicy | undefined;
  readonly service: Service;
  readonly problem: Problem | undefined;
}

/** A table with what the next build needs to change only what differs. */
export interface BuiltTable {
  readonly table: ServiceTable;
  readonly input: TableInput;
  /** What the services with endpoints ask for: the input of claiming. Keeps its identity while that is the same. */
  readonly wanted: ReadonlyMap<ServiceKey, { readonly policy: ServicePolicy }>;
  readonly origins: ReadonlyMap<ServiceKey, Origin>;
}

/**
 * One table out of the registry's picture, this node's own truth and the claims. Pure; `previous` only saves work:
 * services whose inputs kept their identity are the same objects again, and where nothing differs `previous` itself
 * comes back, so that an unchanged table is never published.
 */
export function buildTable(input: TableInput, previous?: BuiltTable): BuiltTable {
  const touched = changedClaims(previous?.input.claims, input.claims);
  const suspects = new Set(suspectsOf(input, previous, touched));
  const origins = new Map(previous?.origins);
  const changed: ServiceKey[] = [];
  for (const key of suspects) {
    const rows = input.rows.get(key);
    const local = input.local.get(key);
    const before = origins.get(key);
    const foreign = before !== undefined && before.rows === rows ? before.foreign : foreignRows(rows, input.node);
    if (before?.local === local && sameItems(before?.foreign, foreign) && !isTouched(before, touched)) {
      if (before !== undefined) origins.set(key, { ...before, rows });
      continue;
    }
    const built = buildService(key, foreign, local ?? NONE, input.claims);
    if (built !== undefined) origins.set(key, { ...built, rows, foreign, local });
    if (built !== undefined || origins.delete(key)) changed.push(key);
  }
  const wanted = wantedPolicies(origins, changed, previous);
  if (
    previous !== undefined &&
    changed.length === 0 &&
    previous.input.nodes === input.nodes &&
    previous.input.problems === input.problems
  ) {
    return { table: previous.table, input, wanted, origins };
  }
  return { table: assemble(input, origins, changed, previous?.table), input, wanted, origins };
}

/**
 * The services of which an input is another than before. Among them those that may have no endpoint left but still own
 * an address: the name goes on answering, and connections are refused at once instead of running into nothing, until
 * the claim is released.
 */
function* suspectsOf(
  input: TableInput,
  previous: BuiltTable | undefined,
  touched: TouchedClaims | undefined,
): Iterable<ServiceKey> {
  yield* differing(previous?.input.local, input.local);
  yield* differing(previous?.input.rows, input.rows);
  if (previous === undefined) {
    const prefix = claimKeys.vipOfService('');
    for (const claim of input.claims.keys()) if (claim.startsWith(prefix)) yield claim.slice(prefix.length);
  }
  if (touched === undefined) return;
  yield* touched.services;
  for (const [key, origin] of previous?.origins ?? []) if (isTouched(origin, touched)) yield key;
}

function* differing<V>(before: ReadonlyMap<ServiceKey, V> | undefined, after: ReadonlyMap<ServiceKey, V>) {
  if (before === after) return;
  for (const [key, value] of after) if (before?.get(key) !== value) yield key;
  for (const key of before?.keys() ?? []) if (!after.has(key)) yield key;
}

function wantedPolicies(
  origins: ReadonlyMap<ServiceKey, Origin>,
  differing: readonly ServiceKey[],
  previous: BuiltTable | undefined,
): BuiltTable['wanted'] {
  const same = (key: ServiceKey) => samePolicy(previous?.origins.get(key)?.policy, origins.get(key)?.policy);
  if (previous !== undefined && differing.every(same)) return previous.wanted;
  const wanted = new Map<ServiceKey, { readonly policy: ServicePolicy }>();
  for (const [key, { policy }] of origins) if (policy !== undefined) wanted.set(key, { policy });
  return wanted;
}

const samePolicy = (a: ServicePolicy | undefined, b: ServicePolicy | undefined): boolean =>
  a === b || (a !== undefined && b !== undefined && JSON.stringify(a) === JSON.stringify(b));

const NONE: readonly Registration[] = [];

/** The other nodes' rows of one service. Our own writes come back as a new group, and must not look like news. */
const foreignRows = (rows: readonly Registration[] | undefined, node: string): readonly Registration[] =>
  rows?.some((row) => row.node !== node) ? rows.filter((row) => row.node !== node) : NONE;

const sameItems = (a: readonly Registration[] | undefined, b: readonly Registration[]): boolean =>
  a !== undefined && a.length === b.length && a.every((row, i) => row === b[i]);

function buildService(
  key: ServiceKey,
  foreign: readonly Registration[],
  local: readonly Registration[],
  claims: Claims,
): Pick<Origin, 'policy' | 'service' | 'problem'> | undefined {
  const all = foreign.length === 0 ? local : [...foreign, ...local];
  const leader = all.reduce<Registration | undefined>(
    (best, row) => (best && precedes(best, row) ? best : row),
    undefined,
  );
  if (leader === undefined) return claims.has(claimKeys.vipOfService(key)) ? addressOnly(key, claims) : undefined;
  const endpoints = all.map((row) => toEndpoint(row, claims)).sort((a, b) => (a.id < b.id ? -1 : 1));
  const service = toService({ key, ...leader.service, policy: leader.policy, endpoints, claims });
  return { policy: leader.policy, service, problem: policyConflict(key, leader, all) };
}

/** The lowest node name leads, and on one node the lowest id. */
const precedes = (a: Registration, b: Registration): boolean => (a.node === b.node ? a.id < b.id : a.node < b.node);

const DRAINED = 'drained since';

/** Does an operator keep it out of rotation? It may be draining for another reason: paused, or told to stop. */
export const isDrained = ({ state, reason }: Endpoint): boolean => state === 'draining' && reason.startsWith(DRAINED);

function toEndpoint(row: Registration, claims: Claims): Endpoint {
  const { policy: _policy, service: _service, ...endpoint } = row;
  const drainedSince = claims.get(claimKeys.drain(row.id));
  if (drainedSince === undefined || row.state === 'critical') return endpoint;
  return { ...endpoint, state: 'draining', reason: `${DRAINED} ${drainedSince.slice(0, 19)}Z` };
}

function addressOnly(key: ServiceKey, claims: Claims): Pick<Origin, 'policy' | 'service' | 'problem'> {
  const dot = key.indexOf('.');
  const ref = dot === -1 ? { name: key } : { name: key.slice(0, dot), stack: key.slice(dot + 1) };
  const policy = { ...defaultPolicy, ports: [] };
  return {
    policy: undefined,
    service: toService({ key, ...ref, policy, endpoints: [], claims }),
    problem: undefined,
  };
}

interface ServiceParts extends ServiceRef {
  readonly key: ServiceKey;
  readonly policy: ServicePolicy;
  readonly endpoints: readonly Endpoint[];
  readonly claims: Claims;
}

function toService({ key, name, stack, policy, endpoints, claims }: ServiceParts): Service {
  const vip = policy.vip === 'none' ? undefined : claims.get(claimKeys.vipOfService(key));
  const vip6 = policy.vip === 'none' ? undefined : claims.get(claimKeys.vip6OfService(key));
  return {
    key,
    name,
    ...(stack === undefined ? {} : { stack }),
    ...(vip === undefined ? {} : { vip }),
    ...(vip6 === undefined ? {} : { vip6 }),
    ports: policy.ports.map(({ publish, ...port }) =>
      publish !== undefined && claims.get(claimKeys.published(port.protocol, publish)) === key
        ? { ...port, publish }
        : port,
    ),
    affinity: policy.affinity,
    traffic: policy.traffic,
    schedule: policy.schedule,
    drainMs: policy.drainMs,
    ...(policy.http === undefined ? {} : { http: policy.http }),
    endpoints,
  };
}

function policyConflict(key: ServiceKey, leader: Registration, all: readonly Registration[]): Problem | undefined {
  const told = JSON.stringify(leader.policy);
  const other = all.find((row) => row.policy !== leader.policy && JSON.stringify(row.policy) !== told);
  if (other === undefined) return undefined;
  return {
    code: 'policy-conflict',
    subject: `service ${key}`,
    message: `${other.id} declares other ports or policy than ${leader.id}, whose settings hold; make their labels agree`,
  };
}

interface TouchedClaims {
  readonly services: ReadonlySet<ServiceKey>;
  readonly ports: ReadonlySet<string>;
  readonly drains: ReadonlySet<EndpointId>;
}

/** What a change of the claims can have changed in a service; undefined when they are the same. */
function changedClaims(before: Claims | undefined, after: Claims): TouchedClaims | undefined {
  if (before === undefined || before === after) return undefined;
  const services = new Set<ServiceKey>();
  const ports = new Set<string>();
  const drains = new Set<EndpointId>();
  const note = (claim: string) => {
    const [, kind, rest] = /^(vip\/name|vip6\/name|port|drain)\/(.*)$/s.exec(claim) ?? [];
    if (kind === undefined || rest === undefined) return;
    if (kind === 'port') ports.add(rest);
    else if (kind === 'drain') drains.add(rest);
    else services.add(rest);
  };
  for (const [claim, value] of after) if (before.get(claim) !== value) note(claim);
  for (const claim of before.keys()) if (!after.has(claim)) note(claim);
  return { services, ports, drains };
}

function isTouched(origin: Origin | undefined, touched: TouchedClaims | undefined): boolean {
  if (origin === undefined || touched === undefined) return false;
  const { service, policy } = origin;
  const { services, ports, drains } = touched;
  return (
    services.has(service.key) ||
    (ports.size > 0 && (policy?.ports ?? []).some((port) => ports.has(`${port.protocol}/${port.publish}`))) ||
    (drains.size > 0 && service.endpoints.some((endpoint) => drains.has(endpoint.id)))
  );
}

function assemble(
  input: TableInput,
  origins: ReadonlyMap<ServiceKey, Origin>,
  differing: readonly ServiceKey[],
  previous: ServiceTable | undefined,
): ServiceTable {
  const services = new Map(previous?.services);
  for (const key of differing) {
    const origin = origins.get(key);
    if (origin === undefined) services.delete(key);
    else services.set(key, origin.service);
  }
  const problems = [...input.problems];
  for (const { problem } of origins.values()) if (problem !== undefined) problems.push(problem);
  return {
    revision: (previous?.revision ?? 0) + 1,
    services,
    byName: indexByName(services, differing, previous),
    nodes:
      previous !== undefined &&
      previous.nodes.size === input.nodes.length &&
      input.nodes.every((n) => previous.nodes.get(n.name) === n)
        ? previous.nodes
        : new Map(input.nodes.map((node) => [node.name, node])),
    problems,
  };
}

/** Patches the earlier index: only names of services that differ are looked at again. */
function indexByName(
  services: ReadonlyMap<ServiceKey, Service>,
  differing: readonly ServiceKey[],
  previous: ServiceTable | undefined,
): ReadonlyMap<string, readonly Service[]> {
  const byName = new Map<string, readonly Service[]>(previous?.byName);
  for (const key of differing) {
    const service = services.get(key);
    const name = service?.name ?? previous?.services.get(key)?.name ?? key;
    const others = (byName.get(name) ?? []).filter((other) => other.key !== key);
    const next = service === undefined ? others : [...others, service].sort(byStack);
    if (next.length === 0) byName.delete(name);
    else byName.set(name, next);
  }
  return byName;
}

const byStack = (a: Service, b: Service): number => ((a.stack ?? '') < (b.stack ?? '') ? -1 : 1);
