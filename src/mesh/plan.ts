import { isIPv4 } from 'node:net';
import type { HostFacts } from '../model/host.ts';
import { type EndpointId, inRotation, type Protocol, type ServiceKey, type ServicePort } from '../model/service.ts';
import type { Endpoint, Service, ServiceTable } from '../model/table.ts';
import { canonicalAddress } from '../model/vip.ts';
import { assignSlots, type Spread } from './slots.ts';

export type Family = 4 | 6;

/** Where a translated connection goes. */
export interface Target {
  readonly id: EndpointId;
  /** Canonical address of the listener's family. */
  readonly address: string;
  readonly port: number;
}

/**
 * What happens to a new connection.
 *
 * | endpoints in rotation | `traffic` | action |
 * |---|---|---|
 * | some that may be used here | any | `balance` over them |
 * | only on other nodes | `local` | `drop`: an outer balancer's health check must see it as gone |
 * | none | any | `refuse` at once |
 */
export type Action =
  | { readonly kind: 'balance'; readonly spread: Spread; readonly slots: readonly Target[] }
  | { readonly kind: 'refuse' }
  | { readonly kind: 'drop' };

/** One port on one address (a VIP), or on every local address of one family (a published port). */
export interface Listener {
  readonly family: Family;
  /** Absent for a published port. */
  readonly vip?: string;
  readonly protocol: Protocol;
  readonly port: number;
  readonly action: Action;
}

export interface ServicePlan {
  /** What this was planned from. */
  readonly service: Service;
  readonly vips: readonly { readonly family: Family; readonly address: string }[];
  readonly listeners: readonly Listener[];
  /** How many endpoints get connections. */
  readonly backends: number;
}

/** The virtual address ranges; the empty text for none. */
export interface VipRanges {
  readonly vipCidr: string;
  readonly vipCidr6: string;
}

/** A whole node's rules, independent of what carries them out. */
export interface MeshPlan {
  /** The table's. */
  readonly revision: number;
  readonly node: string;
  readonly services: ReadonlyMap<ServiceKey, ServicePlan>;
  readonly ranges: VipRanges;
  readonly bridges: HostFacts['bridges'];
}

export interface MeshInput {
  readonly table: ServiceTable;
  readonly facts: HostFacts;
  readonly ranges: VipRanges;
}

/**
 * The plan of a table on this node. Pure; `previous` only saves work: services that kept their identity keep their
 * plan's, and consumers diff by identity.
 */
export function planMesh({ table, facts, ranges }: MeshInput, previous?: MeshPlan): MeshPlan {
  const reusable = previous?.node === facts.node ? previous.services : undefined;
  const services = new Map<ServiceKey, ServicePlan>();
  for (const [key, service] of table.services) {
    const before = reusable?.get(key);
    services.set(key, before?.service === service ? before : planService(service, facts));
  }
  return { revision: table.revision, node: facts.node, services, ranges, bridges: facts.bridges };
}

/** What one service asks of this node; of the host's facts only the node's name matters. */
export function planService(service: Service, facts: Pick<HostFacts, 'node'>): ServicePlan {
  const vips: { family: Family; address: string }[] = [];
  const listeners: Listener[] = [];
  for (const family of [4, 6] as const) {
    const vip = canonical(family === 4 ? service.vip : service.vip6, family);
    if (vip !== undefined) vips.push({ family, address: vip });
    if (!isServed(service, family)) continue;
    for (const { name, port, protocol, publish } of service.ports) {
      const action = actionOf(service, { family, portName: name, node: facts.node });
      if (vip !== undefined) listeners.push({ family, vip, protocol, port, action });
      if (publish !== undefined) listeners.push({ family, protocol, port: publish, action });
    }
  }
  return { service, vips, listeners, backends: countBackends(listeners) };
}

function countBackends(listeners: readonly Listener[]): number {
  const ids = listeners.flatMap(({ action }) => (action.kind === 'balance' ? action.slots.map(({ id }) => id) : []));
  return new Set(ids).size;
}

/** A family is served while an endpoint in any state has it; a service without endpoints is taken for IPv4. */
function isServed({ endpoints }: Service, family: Family): boolean {
  if (endpoints.length === 0) return family === 4;
  return endpoints.some((endpoint) => addressOf(endpoint, family) !== undefined);
}

interface PortView {
  readonly family: Family;
  readonly portName: ServicePort['name'];
  readonly node: string;
}

interface Candidate extends Target {
  readonly weight: number;
  readonly node: string;
}

function actionOf(service: Service, view: PortView): Action {
  const candidates = service.endpoints.flatMap((endpoint) => candidateOf(endpoint, view));
  const usable = usableHere(service, candidates, view.node);
  if (usable.length > 0) {
    const spread = service.affinity.kind === 'client-ip' ? 'client-ip' : service.schedule;
    return { kind: 'balance', spread, slots: assignSlots(usable, spread) };
  }
  return candidates.length > 0 ? { kind: 'drop' } : { kind: 'refuse' };
}

function candidateOf(endpoint: Endpoint, { family, portName }: PortView): Candidate[] {
  const address = addressOf(endpoint, family);
  const port = endpoint.ports.get(portName);
  const { id, weight, node } = endpoint;
  if (address === undefined || port === undefined || weight <= 0 || !inRotation(endpoint.state)) return [];
  return [{ id, weight, node, address, port }];
}

function usableHere({ traffic }: Service, candidates: readonly Candidate[], node: string): readonly Candidate[] {
  if (traffic === 'cluster') return candidates;
  const local = candidates.filter((candidate) => candidate.node === node);
  return local.length > 0 || traffic === 'local' ? local : candidates;
}

function addressOf({ address, address6 }: Endpoint, family: Family): string | undefined {
  return canonical(address, family) ?? (family === 6 ? canonical(address6, family) : undefined);
}

/** Everything that becomes part of a rule passes here: an address of that family in its one spelling, or nothing. */
function canonical(text: string | undefined, family: Family): string | undefined {
  if (text === undefined) return undefined;
  if (isIPv4(text)) return family === 4 ? text : undefined;
  const address = family === 6 ? canonicalAddress(text) : undefined;
  return address === undefined || IPV4_IN_DISGUISE.test(address) ? undefined : address;
}

/** `::ffff:102:304` (RFC 4291 §2.5.5) reaches nothing by IPv6, and has a second spelling that tools prefer. */
const IPV4_IN_DISGUISE = /^::(?:ffff:)?[\da-f]+:[\da-f]+$/;
