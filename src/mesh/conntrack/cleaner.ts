import { describeError, errorCode, FairleadError } from '../../lib/errors.ts';
import { exec } from '../../lib/exec.ts';
import type { Logger } from '../../lib/logger.ts';
import type { Service } from '../../model/table.ts';
import { OrphanIndex } from './audit.ts';
import { concerns, type Deletion, deletionArguments } from './deletions.ts';
import { readEntries } from './entries.ts';
import type { StaleFlows } from './stale.ts';

export interface ConntrackCleanerOptions {
  readonly log: Logger;
  /** Every address of this host, at the time of the call. */
  readonly addresses: () => readonly string[];
}

/**
 * Every `-D` walks the kernel's whole table (some 12 ms empty, 2 ms more per 1,000 entries). Beyond this many it is
 * cheaper to read the table once and to ask only for what is in it: mostly nothing.
 */
const READ_FIRST = 4;
const CONCURRENCY = 4;

/** Removes stale entries from the kernel's connection tracking, one pass at a time; what comes meanwhile makes the next. */
export class ConntrackCleaner {
  readonly #log: Logger;
  readonly #addresses: () => readonly string[];
  #waiting: StaleFlows[] = [];
  #running: Promise<number> | undefined;
  #next: Promise<number> | undefined;
  #missing = false;

  constructor({ log, addresses }: ConntrackCleanerOptions) {
    this.#log = log;
    this.#addresses = addresses;
  }

  /**
   * Resolves when these flows are gone, with the number of entries the pass that took them removed. Without the
   * conntrack program it warns once and does nothing; rejects with `conntrack` when the program fails: `audit` will
   * find again what was left.
   */
  async clean(flows: readonly StaleFlows[]): Promise<number> {
    if (flows.length === 0 || this.#missing) return 0;
    this.#waiting.push(...flows);
    this.#next ??= this.#passAfter(this.#running);
    return await this.#next;
  }

  async #passAfter(running: Promise<number> | undefined): Promise<number> {
    await running?.catch(() => 0);
    const flows = this.#waiting;
    this.#waiting = [];
    this.#running = this.#next;
    this.#next = undefined;
    return await this.#withProgram(async () => {
      const all = flows.flatMap((one) => deletionArguments(one, this.#addresses()));
      const removed = await remove(all.length > READ_FIRST ? await presentOnly(flows, this.#addresses()) : all);
      if (removed > 0) this.#log.debug({ removed }, 'removed stale connection tracking entries');
      return removed;
    });
  }

  /**
   * Removes the flows to endpoints that none of the services has (any more): for the first table after a start,
   * when nobody saw what happened before.
   */
  async audit(services: Iterable<Service>): Promise<number> {
    const index = new OrphanIndex(services, this.#addresses());
    const orphans = new Map<string, StaleFlows>();
    await this.#withProgram(async () => {
      await readEntries((entry) => {
        const orphan = index.find(entry);
        if (orphan !== undefined) orphans.set(JSON.stringify(orphan), orphan);
      });
      return 0;
    });
    return await this.clean([...orphans.values()]);
  }

  async #withProgram(step: () => Promise<number>): Promise<number> {
    try {
      return await step();
    } catch (error) {
      if (errorCode(error) !== 'exec-missing') throw error;
      if (!this.#missing) {
        const remedy = 'install conntrack (Debian and Ubuntu: apt-get install conntrack)';
        this.#log.warn({ remedy }, `${describeError(error)}: flows stick to dead endpoints until they expire`);
      }
      this.#missing = true;
      return 0;
    }
  }
}

/** The deletions of which the kernel has at least one entry. */
async function presentOnly(flows: readonly StaleFlows[], addresses: readonly string[]): Promise<readonly Deletion[]> {
  const byPort = Map.groupBy(flows, ({ protocol, destination }) => portKey(protocol, destination.port));
  /** With the addresses its entries went to. */
  const present = new Map<StaleFlows, Set<string>>();
  await readEntries((entry) => {
    for (const one of byPort.get(portKey(entry.protocol, entry.originalDestinationPort)) ?? []) {
      if (concerns(one, entry)) present.set(one, (present.get(one) ?? new Set()).add(entry.originalDestination));
    }
  });
  return [...present].flatMap(([one, seen]) =>
    deletionArguments(
      one,
      addresses.filter((address) => seen.has(address)),
    ),
  );
}

const portKey = (protocol: string, port: number): string => `${protocol}/${port}`;

/**
 * Runs the deletions, a few at once; resolves with how many entries went. Not by `--load-file`: it cannot read the
 * socket that Node gives a program as stdin.
 */
async function remove(deletions: readonly Deletion[]): Promise<number> {
  const queue = deletions.values();
  const worker = async () => {
    let removed = 0;
    for (const deletion of queue) removed += await removeOne(deletion);
    return removed;
  };
  const counts = await Promise.all(Array.from({ length: CONCURRENCY }, worker));
  return counts.reduce((sum, count) => sum + count, 0);
}

async function removeOne(deletion: Deletion): Promise<number> {
  const { exitCode, stdout, stderr } = await exec('conntrack', deletion);
  // 1 is also what it says when nothing matched.
  if (exitCode !== 0 && !stderr.includes(' 0 flow entries have been deleted')) {
    throw new FairleadError('conntrack', `conntrack ${deletion.join(' ')} failed: ${stderr.trim().slice(0, 500)}`, {
      remedy: 'run as root (CAP_NET_ADMIN)',
    });
  }
  // It prints what it removed, a line each.
  return stdout.split('\n').length - 1;
}
