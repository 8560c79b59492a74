import type { AdminBackend, AgentStatus, ResolveAnswer, ResolveQuery, UnsyncedPart } from '../../src/admin/backend.ts';
import type { DrainJson } from '../../src/admin/json.ts';
import { FairleadError } from '../../src/lib/errors.ts';
import { type BuiltTable, buildTable, type TableInput } from '../../src/model/build.ts';
import { claimKeys } from '../../src/model/claims.ts';
import type { EndpointId, Registration } from '../../src/model/service.ts';
import type { ClusterNode, ServiceTable } from '../../src/model/table.ts';
import { grouped } from './rows.ts';

export const clusterNode = (name: string, options: Partial<ClusterNode> = {}): ClusterNode => ({
  name,
  address: '192.0.2.1',
  state: 'passing',
  version: '0.1.0',
  revision: 1,
  ...options,
});

/** An agent in memory: a real table out of rows and claims, and switches for what goes wrong. */
export class FakeAgent implements AdminBackend {
  readonly node = 'n1';
  unsynced: readonly UnsyncedPart[] = [];
  /** Rejects the counting when undefined. */
  counts: Map<EndpointId, number> | undefined = new Map();
  differences: readonly string[] = [];
  repairs = 0;
  registryDown = false;
  subscribers = 0;
  #input: TableInput = {
    node: this.node,
    rows: new Map(),
    local: new Map(),
    claims: new Map(),
    nodes: [],
    problems: [],
  };
  #built: BuiltTable | undefined;
  readonly #wakeAll = new Set<() => void>();
  #stopped = false;

  readonly mesh = {
    plan: () => 'table inet fairlead {\n\tchain in\x1b[31m {\n\t}\n}\n',
    check: async () => this.differences,
    repair: async () => {
      this.repairs++;
      this.differences = [];
    },
  };

  /** Publishes a new table, if anything differs. */
  change(input: Partial<TableInput>): void {
    this.#input = { ...this.#input, ...input };
    const before = this.#built?.table;
    this.#built = buildTable(this.#input, this.#built);
    if (this.#built.table === before) return;
    for (const wake of this.#wakeAll) wake();
  }

  setRows(...rows: readonly Registration[]): void {
    this.change({ local: grouped(...rows) });
  }

  /** A node has applied the current table. */
  confirm(name: string): void {
    const revision = this.table()?.revision ?? 0;
    this.change({ nodes: this.#input.nodes.map((node) => (node.name === name ? { ...node, revision } : node)) });
  }

  /** Ends every subscription, as an agent that stops does. */
  endStreams(): void {
    this.#stopped = true;
    for (const wake of this.#wakeAll) wake();
  }

  table(): ServiceTable | undefined {
    return this.#built?.table;
  }

  status(): AgentStatus {
    const services = [...(this.table()?.services.values() ?? [])];
    return {
      node: this.node,
      version: '0.1.0',
      registry: { kind: 'embedded', connected: !this.registryDown, lastSync: '2026-01-01T00:00:00.000Z' },
      mesh: { backend: 'nftables', inSync: this.differences.length === 0, lastApplied: '2025-12-31T23:59:57.000Z' },
      services: services.length,
      endpoints: services.flatMap(({ endpoints }) => endpoints).length,
      warnings: this.table()?.problems ?? [],
    };
  }

  readiness(): readonly UnsyncedPart[] {
    return this.unsynced;
  }

  nodes(): readonly ClusterNode[] {
    return this.#input.nodes;
  }

  async resolve({ name, type, from = '127.0.0.1' }: ResolveQuery): Promise<ResolveAnswer> {
    if (type === 'FOO') throw new FairleadError('dns-type', '"FOO" is not a record type', { remedy: 'use A' });
    const service = this.table()?.services.get(name);
    const found = service?.vip !== undefined;
    return {
      name,
      type,
      from,
      ...(from === '172.18.0.5' ? { stack: 'shop' } : {}),
      handler: 'local',
      rcode: found ? 'NOERROR' : 'NXDOMAIN',
      reason: found ? `virtual address of service ${name}` : 'no service of this name',
      answers: found ? [{ name, ttl: 30, type, data: service.vip }] : [],
      authority: found ? [] : [{ name: '.', ttl: 1, type: 'SOA', data: 'ns. hostmaster. 1 2 3 4 1' }],
      additional: [],
      filtered: (service?.endpoints ?? [])
        .filter(({ state }) => state === 'critical')
        .map(({ id, reason }) => ({ endpoint: id, service: name, reason })),
    };
  }

  async drain(id: EndpointId): Promise<DrainJson> {
    this.#claim(new Map(this.#input.claims).set(claimKeys.drain(id), '2026-01-01T00:00:00Z'));
    return { id, revision: this.table()?.revision ?? 0 };
  }

  async undrain(id: EndpointId): Promise<DrainJson> {
    this.#claim(new Map([...this.#input.claims].filter(([key]) => key !== claimKeys.drain(id))));
    return { id, revision: this.table()?.revision ?? 0 };
  }

  #claim(claims: ReadonlyMap<string, string>): void {
    if (this.registryDown) throw new FairleadError('registry-unavailable', 'the registry does not answer');
    this.change({ claims });
  }

  async connections(): Promise<ReadonlyMap<EndpointId, number>> {
    if (this.counts === undefined) throw new FairleadError('exec-missing', 'conntrack is not installed');
    return this.counts;
  }

  async metrics(): Promise<string> {
    return 'fairlead_services 1\n';
  }

  async *subscribe(signal: AbortSignal): AsyncGenerator<ServiceTable> {
    let sent: ServiceTable | undefined;
    this.subscribers++;
    try {
      while (!signal.aborted && !this.#stopped) {
        const table = this.table();
        if (table !== undefined && table !== sent) {
          sent = table;
          yield table;
        } else await this.#changed(signal);
      }
    } finally {
      this.subscribers--;
    }
  }

  async #changed(signal: AbortSignal): Promise<void> {
    await new Promise<void>((resolve) => {
      const wake = () => {
        this.#wakeAll.delete(wake);
        signal.removeEventListener('abort', wake);
        resolve();
      };
      this.#wakeAll.add(wake);
      signal.addEventListener('abort', wake, { once: true });
    });
  }
}
