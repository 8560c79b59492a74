import type {
  AdminBackend,
  AgentStatus,
  MeshControl,
  ResolveAnswer,
  ResolveQuery,
  UnsyncedPart,
} from '../admin/backend.ts';
import type { ConnectionCounts, DrainJson } from '../admin/json.ts';
import type { DockerSource } from '../containers/docker/source.ts';
import type { DnsServer } from '../dns/server.ts';
import { FairleadError } from '../lib/errors.ts';
import type { Latest } from '../lib/latest.ts';
import type { MeshPlane } from '../mesh/plane.ts';
import { isDrained } from '../model/build.ts';
import { type EndpointId, inRotation, type Problem } from '../model/service.ts';
import type { ClusterNode, Endpoint, ServiceTable } from '../model/table.ts';
import type { TablePublisher } from '../registry/publisher.ts';
import type { Registry } from '../registry/registry.ts';

export interface BackendParts {
  readonly node: string;
  readonly version: string;
  readonly registry: Registry;
  readonly publisher: TablePublisher;
  readonly tables: Latest<ServiceTable>;
  readonly docker: DockerSource | undefined;
  readonly dns: DnsServer;
  /** Undefined where the mesh is off; `meshOff` says why. */
  readonly mesh: MeshPlane | undefined;
  readonly meshOff: string;
  readonly metrics: () => Promise<string>;
}

/** How long a drain may take to come back from the registry as a table. */
const DRAIN_SEEN_MS = 5000;

/** What the admin API knows of the agent. */
export class AgentBackend implements AdminBackend {
  readonly #parts: BackendParts;

  constructor(parts: BackendParts) {
    this.#parts = parts;
  }

  table(): ServiceTable | undefined {
    return this.#parts.tables.value;
  }

  status(): AgentStatus {
    const { node, version, registry, mesh } = this.#parts;
    const { connected, lastSync } = registry.status();
    const services = [...(this.table()?.services.values() ?? [])];
    const applied = mesh?.status();
    return {
      node,
      version,
      registry: { kind: registry.kind, connected, lastSync: iso(lastSync) },
      mesh: {
        backend: applied?.backend ?? 'off',
        inSync: applied?.inSync ?? true,
        lastApplied: iso(applied?.lastApplied),
      },
      services: services.length,
      endpoints: services.reduce((sum, { endpoints }) => sum + endpoints.length, 0),
      warnings: this.#warnings(),
    };
  }

  readiness(): readonly UnsyncedPart[] {
    const { publisher, registry, dns, mesh } = this.#parts;
    const missing: UnsyncedPart[] = publisher.waitingFor.map((part) => ({
      part,
      reason: (part === 'registry' ? registry.status().error : undefined) ?? 'not read yet',
    }));
    if (dns.listening().length === 0) missing.push({ part: 'dns', reason: 'listens nowhere yet' });
    if (mesh !== undefined && !mesh.synced) {
      missing.push({ part: 'mesh', reason: mesh.problems()[0]?.message ?? 'rules not applied yet' });
    }
    return missing;
  }

  nodes(): readonly ClusterNode[] {
    const { node, mesh } = this.#parts;
    const table = this.table();
    const own = mesh?.status().appliedRevision ?? table?.revision ?? 0;
    return [...(table?.nodes.values() ?? [])].map((one) => (one.name === node ? { ...one, revision: own } : one));
  }

  resolve({ name, type, from }: ResolveQuery): Promise<ResolveAnswer> {
    return this.#parts.dns.resolve(name, type, from);
  }

  async drain(id: EndpointId): Promise<DrainJson> {
    await this.#parts.publisher.drain(id);
    return await this.#seen(id, ({ state }) => !inRotation(state));
  }

  async undrain(id: EndpointId): Promise<DrainJson> {
    await this.#parts.publisher.undrain(id);
    return await this.#seen(id, (endpoint) => !isDrained(endpoint));
  }

  async connections(): Promise<ConnectionCounts> {
    const { mesh, meshOff } = this.#parts;
    if (mesh === undefined) throw new FairleadError('mesh-off', meshOff);
    return await mesh.connections(this.table()?.services.values() ?? []);
  }

  get mesh(): MeshControl {
    const { mesh, meshOff } = this.#parts;
    if (mesh !== undefined) {
      return {
        plan: () => mesh.planText(),
        check: () => mesh.check(),
        repair: () => mesh.repair(),
      };
    }
    const off = () => {
      throw new FairleadError('mesh-off', meshOff);
    };
    return { plan: off, check: async () => off(), repair: async () => off() };
  }

  subscribe(signal: AbortSignal): AsyncIterable<ServiceTable> {
    return this.#parts.tables.watch(signal);
  }

  metrics(): Promise<string> {
    return this.#parts.metrics();
  }

  /** Waits for the table that shows the change, so that its revision can be waited for on every node. */
  async #seen(id: EndpointId, done: (endpoint: Endpoint) => boolean): Promise<DrainJson> {
    const signal = AbortSignal.timeout(DRAIN_SEEN_MS);
    for await (const table of this.#parts.tables.watch(signal)) {
      const endpoint = findEndpoint(table, id);
      // An endpoint that is gone meanwhile is out of rotation, too.
      if (endpoint === undefined || done(endpoint)) return { id, revision: table.revision };
    }
    throw new FairleadError('registry-unavailable', `the registry took the change of ${id}, but has not shown it yet`, {
      remedy: 'look again with "fairlead services"',
    });
  }

  #warnings(): readonly Problem[] {
    const { docker, dns, mesh, meshOff, registry } = this.#parts;
    const { connected, error: registryError } = registry.status();
    // Once it has been seen, the source itself reports its loss, among the table's problems.
    const dockerError = docker?.status().lastSync === undefined ? docker?.status().error : undefined;
    return [
      ...(connected ? [] : [warning('registry', registryError ?? 'not connected')]),
      ...(dockerError === undefined ? [] : [warning('docker', dockerError)]),
      ...(mesh === undefined ? [warning('mesh', meshOff)] : mesh.problems()),
      ...dns.problems(),
      ...(this.table()?.problems ?? []),
    ];
  }
}

const warning = (subject: string, message: string): Problem => ({ code: subject, subject, message });

const iso = (ms: number | undefined): string | null => (ms === undefined ? null : new Date(ms).toISOString());

function findEndpoint(table: ServiceTable, id: EndpointId) {
  for (const { endpoints } of table.services.values()) {
    const endpoint = endpoints.find((one) => one.id === id);
    if (endpoint !== undefined) return endpoint;
  }
  return undefined;
}
