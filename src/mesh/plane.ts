import type { Registry as MetricsRegistry } from 'prom-client';
import type { Clock } from '../lib/clock.ts';
import { describeError, errorCode } from '../lib/errors.ts';
import type { Logger } from '../lib/logger.ts';
import { Reconciler } from '../lib/reconciler.ts';
import type { HostFacts } from '../model/host.ts';
import type { EndpointId, Problem } from '../model/service.ts';
import type { Endpoint, Service, ServiceTable } from '../model/table.ts';
import { ConntrackCleaner } from './conntrack/cleaner.ts';
import { countConnections, targetKey } from './conntrack/connections.ts';
import { DrainDeadlines } from './conntrack/deadlines.ts';
import { staleFlows, type Target } from './conntrack/stale.ts';
import { cleanupHost, MeshHost } from './host/host.ts';
import { Mesh, type MeshApplied, type MeshStatus, cleanup as removeTables } from './mesh.ts';
import { MeshMetrics } from './metrics.ts';

export interface MeshPlaneOptions {
  readonly dataDir: string;
  readonly vipCidr: string;
  readonly vipCidr6: string;
  readonly resyncMs: number;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: MetricsRegistry;
}

/** The kernel's side of one node: rules, what they need of the host, and the flows that outlive their endpoint. */
export class MeshPlane {
  readonly #options: MeshPlaneOptions;
  readonly #host: MeshHost;
  readonly #cleaner: ConntrackCleaner;
  readonly #drains: DrainDeadlines;
  readonly #preparing: Reconciler;
  readonly #mesh: Mesh;
  #facts: HostFacts;
  #hostError: unknown;
  #prepared = false;
  #applied: ServiceTable | undefined;
  #auditDue = true;
  #newest: ServiceTable | undefined;

  constructor(facts: HostFacts, options: MeshPlaneOptions) {
    const { dataDir, vipCidr, vipCidr6, resyncMs, clock, log, metrics } = options;
    this.#options = options;
    this.#facts = facts;
    this.#host = new MeshHost({ dataDir, vipCidr, ...(vipCidr6 === '' ? {} : { vipCidr6 }), log });
    this.#cleaner = new ConntrackCleaner({ log, addresses: () => this.#facts.addresses });
    this.#drains = new DrainDeadlines({ clock, log, onExpired: (flows) => this.#cleaner.clean(flows) });
    this.#preparing = new Reconciler({
      clock,
      reconcile: () => this.#prepare(),
      onError: (error, retryInMs) => {
        this.#hostError = error;
        log.warn(
          { error: describeError(error), retryInMs: Math.round(retryInMs) },
          'this host is not ready for the mesh',
        );
      },
    });
    this.#mesh = new Mesh({
      clock,
      log,
      metrics: new MeshMetrics(metrics),
      resyncMs,
      ranges: { vipCidr, vipCidr6 },
      facts: () => this.#facts,
      onApplied: (applied) => void this.#afterApply(applied),
    });
  }

  setFacts(facts: HostFacts): void {
    this.#facts = facts;
    this.#preparing.trigger();
    if (this.#newest !== undefined) this.#mesh.update(this.#newest);
  }

  /** An interface joined or left a bridge: new ones may have to be prepared. */
  portsChanged(): void {
    this.#preparing.trigger();
  }

  update(table: ServiceTable, eventAt?: number): void {
    this.#newest = table;
    this.#mesh.update(table, eventAt);
  }

  async run(signal: AbortSignal): Promise<void> {
    await Promise.all([
      this.#mesh.run(signal),
      this.#preparing.run(signal),
      this.#drains.run(signal),
      this.#resync(signal),
    ]);
  }

  status(): MeshStatus {
    return this.#mesh.status();
  }

  /** The whole ruleset of the newest table, as `nft -f` takes it. */
  planText(): string {
    return this.#mesh.planText();
  }

  /** Every difference between this host and what it should be, for people. */
  async check(): Promise<readonly string[]> {
    return [...(await this.#mesh.check()), ...this.#host.check()];
  }

  async repair(): Promise<void> {
    this.#preparing.trigger();
    await this.#mesh.repair();
  }

  /** What keeps new connections from finding their endpoint; empty when all is well. */
  problems(): readonly Problem[] {
    const problem = (code: string, message: string): Problem => ({ code, subject: 'mesh', message });
    const { error } = this.#mesh.status();
    return [
      ...(error === undefined ? [] : [problem('mesh', error)]),
      ...(this.#hostError === undefined
        ? []
        : [problem(errorCode(this.#hostError) ?? 'host', describeError(this.#hostError))]),
    ];
  }

  /** Have rules and host been made ready once? */
  get synced(): boolean {
    return this.#prepared && this.#mesh.status().lastApplied !== undefined;
  }

  /** Established connections to each endpoint, counted in the kernel now; an endpoint without any is left out. */
  async connections(services: Iterable<Service>): Promise<ReadonlyMap<EndpointId, number>> {
    const owners = new Map<string, EndpointId>();
    const targets: Target[] = [];
    for (const { endpoints } of services) {
      for (const endpoint of endpoints) {
        for (const target of targetsOf(endpoint)) {
          owners.set(targetKey(target), endpoint.id);
          targets.push(target);
        }
      }
    }
    const counts = new Map<EndpointId, number>();
    for (const [key, count] of await countConnections(targets)) {
      const id = owners.get(key);
      if (id !== undefined) counts.set(id, (counts.get(id) ?? 0) + count);
    }
    return counts;
  }

  /** After the first rules, never before: they guard 127/8 against what `route_localnet` would let in. */
  async #prepare(): Promise<void> {
    if (this.#applied === undefined) return;
    await this.#host.apply(this.#facts);
    this.#hostError = undefined;
    this.#prepared = true;
  }

  async #resync(signal: AbortSignal): Promise<void> {
    const { clock, resyncMs } = this.#options;
    while (!signal.aborted) {
      this.#preparing.trigger();
      await clock.sleep(resyncMs, signal);
      if (this.#auditDue && !signal.aborted) await this.#audit();
    }
  }

  /** New connections go elsewhere by now; flows that stick to an endpoint that is gone are ended. */
  async #afterApply({ table, changes }: MeshApplied): Promise<void> {
    const first = this.#applied === undefined;
    this.#applied = table;
    if (first) this.#preparing.trigger();
    for (const { before, after } of changes) {
      const key = after?.key ?? before?.key;
      if (key !== undefined) this.#drains.update(key, after);
    }
    if (this.#auditDue) await this.#audit();
    else await this.#attempt(this.#cleaner.clean(changes.flatMap(({ before, after }) => staleFlows(before, after))));
  }

  /** Looks at every flow: nobody saw what happened before this process, or what a pass that failed has left. */
  async #audit(): Promise<void> {
    if (this.#applied === undefined) return;
    this.#auditDue = false;
    await this.#attempt(this.#cleaner.audit(this.#applied.services.values()));
  }

  async #attempt(pass: Promise<unknown>): Promise<void> {
    try {
      await pass;
    } catch (error) {
      this.#auditDue = true;
      this.#options.log.warn({ error: describeError(error) }, 'stale connections were not removed; trying again later');
    }
  }
}

const targetsOf = ({ address, address6, ports }: Endpoint): readonly Target[] =>
  [...new Set(ports.values())].flatMap((port) => [
    { address, port },
    ...(address6 === undefined ? [] : [{ address: address6, port }]),
  ]);

/** Removes everything any agent with this `dataDir` ever added to this host's network; resolves with what that was. */
export const cleanupMesh = (dataDir: string, log: Logger): Promise<readonly string[]> =>
  cleanupHost({ dataDir, log, removeRules: removeTables });
