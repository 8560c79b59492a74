import { z } from 'zod';
import { formatDuration } from '../model/duration.ts';
import type { Affinity, EndpointId, Problem } from '../model/service.ts';
import type { ClusterNode, Endpoint, Service } from '../model/table.ts';

/**
 * The API's JSON, once: the server encodes to these shapes, the client commands decode by them.
 * Every field is always there; what is unknown or does not apply is `null`. Times are ISO 8601, UTC.
 */

const servicePort = z.object({
  name: z.string(),
  port: z.number(),
  protocol: z.enum(['tcp', 'udp']),
  publish: z.number().nullable(),
});

const endpointFields = {
  id: z.string(),
  node: z.string(),
  address: z.string(),
  /** The endpoint's port for the service's first port. */
  port: z.number().nullable(),
  weight: z.number(),
  state: z.enum(['passing', 'warning', 'critical', 'draining']),
  reason: z.string(),
  /** Established connections; null where they were not counted. */
  connections: z.number().nullable(),
  address6: z.string().nullable(),
  /** Port name of the service → port of the endpoint. */
  ports: z.record(z.string(), z.number()),
  container: z.string().nullable(),
  tags: z.array(z.string()).readonly(),
};

export const endpointJson = z.object(endpointFields);

/** One endpoint by itself: with its service, as `web.shop`. */
export const endpointDetailJson = z.object({ ...endpointFields, service: z.string() });

export const serviceJson = z.object({
  name: z.string(),
  stack: z.string().nullable(),
  vip: z.string().nullable(),
  ports: z.array(servicePort).readonly(),
  /** As labels and configuration spell it: `none`, `client-ip`, `client-ip:3h`. */
  affinity: z.string(),
  traffic: z.string(),
  endpoints: z.array(endpointJson).readonly(),
  vip6: z.string().nullable(),
  schedule: z.string(),
  drain: z.string(),
});

export const nodeJson = z.object({
  name: z.string(),
  address: z.string(),
  state: z.enum(['passing', 'critical']),
  version: z.string(),
  /** The table revision its mesh has applied; 0 before the first. */
  revision: z.number(),
  zone: z.string().nullable(),
});

const problemJson = z.object({ code: z.string(), subject: z.string(), message: z.string() });

const partJson = z.object({ part: z.string(), reason: z.string() });

export const statusJson = z.object({
  node: z.string(),
  version: z.string(),
  registry: z.object({ kind: z.string(), connected: z.boolean(), lastSync: z.string().nullable() }),
  mesh: z.object({ backend: z.string(), inSync: z.boolean(), lastApplied: z.string().nullable() }),
  services: z.number(),
  endpoints: z.number(),
  warnings: z.array(problemJson).readonly(),
  /** The parts that have not synced since the start; empty when the agent is ready. */
  notReady: z.array(partJson).readonly(),
});

const shownRecord = z.object({ name: z.string(), type: z.string(), ttl: z.number(), data: z.string() });

export const resolveJson = z.object({
  name: z.string(),
  type: z.string(),
  /** Whose view it is. */
  from: z.string(),
  /** The stack that client's short names are looked up in first. */
  stack: z.string().nullable(),
  /** The step of the DNS chain that answered. */
  handler: z.string(),
  /** As dig shows it: `NOERROR`, `NXDOMAIN`, … */
  rcode: z.string(),
  /** In one sentence. */
  reason: z.string(),
  answers: z.array(shownRecord).readonly(),
  authority: z.array(shownRecord).readonly(),
  additional: z.array(shownRecord).readonly(),
  /** Endpoints of the service that are left out of the answer. */
  filtered: z.array(z.object({ endpoint: z.string(), service: z.string(), reason: z.string() })).readonly(),
});

/** What `drain` and `undrain` answer: every node with at least this revision applied has confirmed. */
export const drainJson = z.object({ id: z.string(), revision: z.number() });

export const planJson = z.object({ plan: z.string() });
export const checkJson = z.object({ differences: z.array(z.string()).readonly() });

/** One message of `/v1/events`. The first of a connection, `snapshot`, has every service in `changed`. */
export const tableEventJson = z.object({
  revision: z.number(),
  changed: z.array(serviceJson).readonly(),
  /** Keys, `web.shop`, of services that are gone. */
  removed: z.array(z.string()).readonly(),
});

export const errorJson = z.object({
  error: z.object({ code: z.string(), message: z.string(), details: z.unknown().optional() }),
});

export type EndpointJson = Readonly<z.output<typeof endpointJson>>;
export type EndpointDetailJson = Readonly<z.output<typeof endpointDetailJson>>;
export type ServiceJson = Readonly<z.output<typeof serviceJson>>;
export type NodeJson = Readonly<z.output<typeof nodeJson>>;
export type StatusJson = Readonly<z.output<typeof statusJson>>;
export type ResolveJson = Readonly<z.output<typeof resolveJson>>;
export type DrainJson = Readonly<z.output<typeof drainJson>>;

/** Connections by endpoint; an endpoint that is missing has none. */
export type ConnectionCounts = ReadonlyMap<EndpointId, number>;

/** Without `connections` they count as unknown, not as none. */
export function encodeService(service: Service, connections?: ConnectionCounts): ServiceJson {
  return {
    name: service.name,
    stack: service.stack ?? null,
    vip: service.vip ?? null,
    ports: service.ports.map(({ name, port, protocol, publish }) => ({
      name,
      port,
      protocol,
      publish: publish ?? null,
    })),
    affinity: affinityText(service.affinity),
    traffic: service.traffic,
    endpoints: service.endpoints.map((endpoint) => encodeEndpoint(service, endpoint, connections)),
    vip6: service.vip6 ?? null,
    schedule: service.schedule,
    drain: formatDuration(service.drainMs),
  };
}

export function encodeEndpoint(service: Service, endpoint: Endpoint, connections?: ConnectionCounts): EndpointJson {
  const first = service.ports.find((port) => endpoint.ports.has(port.name));
  return {
    id: endpoint.id,
    node: endpoint.node,
    address: endpoint.address,
    port: (first === undefined ? undefined : endpoint.ports.get(first.name)) ?? null,
    weight: endpoint.weight,
    state: endpoint.state,
    reason: endpoint.reason,
    connections: connections === undefined ? null : (connections.get(endpoint.id) ?? 0),
    address6: endpoint.address6 ?? null,
    ports: Object.fromEntries(endpoint.ports),
    container: endpoint.container?.name ?? null,
    tags: endpoint.tags,
  };
}

export const encodeNode = ({ name, address, state, version, revision, zone }: ClusterNode): NodeJson => ({
  name,
  address,
  state,
  version,
  revision,
  zone: zone ?? null,
});

export const encodeProblem = ({ code, subject, message }: Problem) => ({ code, subject, message });

function affinityText(affinity: Affinity): string {
  if (affinity.kind === 'none' || affinity.timeoutMs === undefined) return affinity.kind;
  return `client-ip:${formatDuration(affinity.timeoutMs)}`;
}
