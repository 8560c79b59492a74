import type { Clock } from '../lib/clock.ts';
import { describeError, errorCode, FairleadError } from '../lib/errors.ts';
import type { Logger } from '../lib/logger.ts';
import { Reconciler } from '../lib/reconciler.ts';
import type { HostFacts } from '../model/host.ts';
import type { Service, ServiceTable } from '../model/table.ts';
import type { MeshMetrics } from './metrics.ts';
import { contentsOf } from './nftables/elements.ts';
import { Generations } from './nftables/generations.ts';
import { Monitor } from './nftables/monitor.ts';
import { Nft, type NftCommand } from './nftables/nft.ts';
import { tableScript } from './nftables/script.ts';
import { KernelTables, removeTables } from './nftables/tables.ts';
import { type MeshPlan, planMesh, type VipRanges } from './plan.ts';

/** One service as it was and as it is in the kernel now. */
export interface ServiceChange {
  readonly before: Service | undefined;
  readonly after: Service | undefined;
}

/** What the kernel has just been brought to. The first time in a process every service counts as new. */
export interface MeshApplied {
  readonly table: ServiceTable;
  readonly changes: readonly ServiceChange[];
}

export interface MeshOptions {
  /** Default `['nft']`. */
  readonly nft?: NftCommand;
  readonly log: Logger;
  readonly clock: Clock;
  readonly metrics: MeshMetrics;
  /** How often to look whether a change by others was missed. */
  readonly resyncMs: number;
  readonly ranges: VipRanges;
  /** Asked at every pass; `update` with the same table makes a pass. */
  readonly facts: () => HostFacts;
  readonly onApplied?: (applied: MeshApplied) => void;
}

export interface MeshStatus {
  readonly backend: 'nftables';
  /** Has the kernel the rules of the newest table? */
  readonly inSync: boolean;
  /** Milliseconds since the epoch. */
  readonly lastApplied?: number;
  /** Of the table; 0 before the first. */
  readonly appliedRevision: number;
  readonly error?: string;
}

/** Keeps the kernel's rules at what the newest service table asks for. */
export class Mesh {
  readonly #options: MeshOptions;
  readonly #tables: KernelTables;
  readonly #monitor: Monitor;
  readonly #reconciler: Reconciler;
  #table: ServiceTable | undefined;
  /** When the oldest event whose effect is not applied yet was received. */
  #eventAt: number | undefined;
  #plan: MeshPlan | undefined;
  #appliedTable: ServiceTable | undefined;
  #lastApplied: number | undefined;
  #error: string | undefined;
  /** May the kernel differ from what we applied? */
  #suspect = false;
  /** Calls on the tables, one after another. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(options: MeshOptions) {
    this.#options = options;
    const { nft: command = ['nft'], clock, log } = options;
    const nft = new Nft(command);
    const generations = new Generations();
    this.#tables = new KernelTables(nft, generations);
    const onForeignChange = () => this.#audit();
    this.#monitor = new Monitor({ nft, generations, clock, log, onForeignChange });
    this.#reconciler = new Reconciler({
      clock,
      reconcile: () => this.#inTurn(() => this.#reconcile()),
      onError: (error, retryInMs) => this.#failed(error, retryInMs),
    });
  }

  /**
   * Takes a new table; any number while one is being applied make one more pass.
   * `eventAt`: when the event behind it was received, monotonic milliseconds.
   */
  update(table: ServiceTable, eventAt?: number): void {
    this.#table = table;
    this.#eventAt ??= eventAt;
    this.#reconciler.trigger();
  }

  /** Applies and watches until the signal aborts. The rules stay. */
  async run(signal: AbortSignal): Promise<void> {
    await Promise.all([this.#reconciler.run(signal), this.#monitor.run(signal), this.#resync(signal)]);
  }

  status(): MeshStatus {
    return {
      backend: 'nftables',
      inSync: this.#error === undefined && this.#table !== undefined && this.#appliedTable === this.#table,
      ...(this.#lastApplied === undefined ? {} : { lastApplied: this.#lastApplied }),
      appliedRevision: this.#appliedTable?.revision ?? 0,
      ...(this.#error === undefined ? {} : { error: this.#error }),
    };
  }

  /** Is the monitor known to report changes? Until it is, others' changes are found by the periodic look. */
  get isWatching(): boolean {
    return this.#monitor.proven;
  }

  /** The whole ruleset of the newest table, as `nft -f` takes it. Rejects with `mesh-not-ready` before the first. */
  planText(): string {
    const plan = this.#desired();
    return tableScript(4, contentsOf(plan, 4)) + tableScript(6, contentsOf(plan, 6));
  }

  /** Every difference between the kernel and the newest table, for people; changes nothing. */
  async check(): Promise<readonly string[]> {
    return await this.#inTurn(() => this.#tables.differences(this.#desired()));
  }

  /** Reads the kernel back and puts right what differs; resolves when it is. */
  async repair(): Promise<void> {
    await this.#inTurn(async () => {
      this.#suspect = true;
      await this.#reconcile();
    });
  }

  #desired(): MeshPlan {
    const { facts, ranges } = this.#options;
    if (this.#table === undefined) {
      throw new FairleadError('mesh-not-ready', 'the mesh has no service table yet', {
        remedy: 'try again in a moment',
      });
    }
    return planMesh({ table: this.#table, facts: facts(), ranges }, this.#plan);
  }

  async #reconcile(): Promise<void> {
    const table = this.#table;
    if (table === undefined) return;
    const { clock, metrics } = this.#options;
    const started = clock.monotonic();
    const eventAt = this.#eventAt;
    this.#eventAt = undefined;
    try {
      const plan = this.#desired();
      await this.#apply(plan);
      this.#plan = plan;
    } catch (error) {
      this.#eventAt = eventAt;
      throw error;
    }
    const now = clock.monotonic();
    metrics.synced(now - started, backendsOf(this.#plan));
    if (eventAt !== undefined) metrics.propagated(now - eventAt);
    this.#succeeded(table);
  }

  async #apply(plan: MeshPlan): Promise<void> {
    if (this.#suspect) await this.#readBack(this.#plan ?? plan);
    try {
      await this.#tables.apply(plan);
    } catch (error) {
      if (errorCode(error) !== 'nft-failed') throw error;
      // The kernel has not what we took it to have: somebody was here, and the monitor has not told us yet.
      await this.#readBack(this.#plan ?? plan);
      await this.#tables.sync(plan);
    }
  }

  /** Restores what was applied before, so that what somebody else did is told from what we are about to change. */
  async #readBack(applied: MeshPlan): Promise<void> {
    const { log, metrics } = this.#options;
    this.#suspect = false;
    try {
      const differences = await this.#tables.sync(applied);
      if (differences.length === 0) return;
      metrics.drifted();
      log.warn({ count: differences.length, first: differences.slice(0, 5) }, 'rules changed by others were repaired');
    } catch (error) {
      this.#suspect = true;
      throw error;
    }
  }

  #succeeded(table: ServiceTable): void {
    const before = this.#appliedTable;
    this.#appliedTable = table;
    this.#lastApplied = this.#options.clock.now();
    this.#error = undefined;
    if (before !== table) this.#options.onApplied?.({ table, changes: changesBetween(before, table) });
  }

  #failed(error: unknown, retryInMs: number): void {
    const { log, metrics } = this.#options;
    metrics.failed();
    const said = describeError(error);
    // The same failure again is no news.
    if (said !== this.#error) log.error({ err: error, retryInMs }, `the mesh's rules could not be applied: ${said}`);
    this.#error = said;
  }

  #audit(): void {
    this.#suspect = true;
    this.#reconciler.trigger();
  }

  /** Reading everything back is not free; where the monitor is known to listen, there is nothing to look for. */
  async #resync(signal: AbortSignal): Promise<void> {
    const { clock, resyncMs } = this.#options;
    while (!signal.aborted) {
      await clock.sleep(resyncMs, signal);
      if (!signal.aborted && !this.#monitor.proven) this.#audit();
    }
  }

  async #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#turn.then(work);
    this.#turn = turn.catch(() => {});
    return await turn;
  }
}

/** Removes every rule the mesh ever made; needs no running agent. Resolves with the tables it found and removed. */
export async function cleanup(command: NftCommand = ['nft']): Promise<readonly string[]> {
  const nft = new Nft(command);
  const present = await nft.ownTables();
  await removeTables(nft);
  return present;
}

const backendsOf = (plan: MeshPlan): number => plan.services.values().reduce((sum, { backends }) => sum + backends, 0);

function changesBetween(before: ServiceTable | undefined, after: ServiceTable): readonly ServiceChange[] {
  const changes: ServiceChange[] = [];
  for (const [key, service] of after.services) {
    const old = before?.services.get(key);
    if (old !== service) changes.push({ before: old, after: service });
  }
  for (const [key, old] of before?.services ?? []) {
    if (!after.services.has(key)) changes.push({ before: old, after: undefined });
  }
  return changes;
}
