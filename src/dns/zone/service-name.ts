import type { Protocol } from '../../model/service.ts';
import type { Service, ServiceTable } from '../../model/table.ts';
import type { Target } from './target.ts';

/**
 * The services a client may mean by a name without stack: its own stack's; else the one without a stack;
 * else all there are. Where those are several, fairlead's names are ambiguous and do not exist; Consul's name them all.
 */
export function visibleServices(table: ServiceTable, name: string, stack: string | undefined): readonly Service[] {
  const all = table.byName.get(name) ?? [];
  const own = stack === undefined ? undefined : all.find((service) => service.stack === stack);
  const chosen = own ?? all.find((service) => service.stack === undefined);
  return chosen === undefined ? all : [chosen];
}

/** `web` as this client sees it, or `web.shop`. */
function findService(table: ServiceTable, labels: readonly string[], stack: string | undefined): Service | undefined {
  const [name = '', ofStack] = labels;
  if (labels.length === 2) return table.services.get(`${name}.${ofStack}`);
  const visible = labels.length === 1 ? visibleServices(table, name, stack) : [];
  return visible.length === 1 ? visible[0] : undefined;
}

/**
 * What follows from the part of a name left of the domain, alike for short and full names:
 * `web`, `web.shop`, `tasks.web…`, `_http._tcp.web…`, `_web._tcp`.
 */
export function serviceTarget(
  table: ServiceTable,
  labels: readonly string[],
  stack: string | undefined,
): Target | undefined {
  const service = findService(table, labels, stack);
  if (service !== undefined) return { kind: 'service', service };
  const [first = '', second = ''] = labels;
  if (first === 'tasks') return tasksTarget(table, labels.slice(1), stack);
  const protocol = protocolOf(first);
  // `_tcp.web` has names below it as soon as the service has a port of that protocol.
  if (protocol !== undefined) {
    const exists = labels.length === 1 || portsOf(findOwner(table, labels.slice(1), stack), protocol).length > 0;
    return exists ? { kind: 'empty' } : undefined;
  }
  return first.startsWith('_')
    ? portsTarget(table, { port: first.slice(1), protocol: protocolOf(second), owner: labels.slice(2), stack })
    : undefined;
}

function tasksTarget(table: ServiceTable, labels: readonly string[], stack: string | undefined): Target | undefined {
  const service = findService(table, labels, stack);
  return service === undefined ? undefined : { kind: 'endpoints', services: [service] };
}

interface PortName {
  readonly port: string;
  readonly protocol: Protocol | undefined;
  /** Labels of the service; none in the form that names the service itself, `_web._tcp`. */
  readonly owner: readonly string[];
  readonly stack: string | undefined;
}

function portsTarget(table: ServiceTable, { port, protocol, owner, stack }: PortName): Target | undefined {
  if (protocol === undefined) return undefined;
  const service = owner.length === 0 ? findService(table, [port], stack) : findOwner(table, owner, stack);
  const named = owner.length === 0 ? {} : { port };
  const ports = portsOf(service, protocol).filter((candidate) => owner.length === 0 || candidate.name === port);
  return service === undefined || ports.length === 0
    ? undefined
    : { kind: 'ports', services: [service], protocol, ...named };
}

/** `_http._tcp.tasks.web` says the same as `_http._tcp.web`. */
const findOwner = (table: ServiceTable, labels: readonly string[], stack: string | undefined) =>
  findService(table, labels, stack) ?? (labels[0] === 'tasks' ? findService(table, labels.slice(1), stack) : undefined);

const portsOf = (service: Service | undefined, protocol: Protocol) =>
  service?.ports.filter((port) => port.protocol === protocol) ?? [];

const protocolOf = (label: string): Protocol | undefined =>
  label === '_tcp' ? 'tcp' : label === '_udp' ? 'udp' : undefined;
