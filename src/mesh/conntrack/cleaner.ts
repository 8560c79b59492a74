import { describeError, errorCode, FairleadError } from '../../lib/errors.ts';
import { exec } from '../../lib/exec.ts';
import type { Logger } from '../../lib/logger.ts';
import type { Service } from '../../model/table.ts';
import { OrphanIndex } from './audit.ts';
import { concerns, deletionArguments } from './deletions.ts';
import { type ConntrackEntry, readEntries } from './entries.ts';
import type { StaleFlows } from './stale.ts';

export interface ConntrackCleanerOptions {
  readonly log: Logger;
  /** Every address of this host, at the time of the call. */
  readonly addresses: () => readonly string[];
}

/**
 * Every `-D` walks the kernel's whole table (some 12 ms empty, 2 ms more per 1,000 entries). From this many on it is
 * cheaper to read the table once and to ask only for what is in it: mostly nothing.
 */
const READ_FIRST = 4;

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
      const present = flows.length >= READ_FIRST ? await presentOnly(flows) : flows;
      const removed = await remove(present.flatMap((one) => deletionArguments(one, this.#addresses())));
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

/** Those of the flows of which the kernel has at least one entry. */
async function presentOnly(flows: readonly StaleFlows[]): Promise<readonly StaleFlows[]> {
  const byPort = Map.groupBy(new Set(flows), (one) => portKey(one.protocol, one.destination.port));
  const present = new Set<StaleFlows>();
  const mark = (entry: ConntrackEntry) => {
    for (const one of byPort.get(portKey(entry.protocol, entry.originalDestinationPort)) ?? []) {
      if (concerns(one, entry)) present.add(one);
    }
  };
  await readEntries(mark);
  return [...present];
}

const portKey = (protocol: string, port: number): string => `${protocol}/${port}`;

/** One program for all deletions: they are fed to `conntrack --load-file -`. It prints what it removed, a line each. */
async function remove(deletions: readonly (readonly string[])[]): Promise<number> {
  if (deletions.length === 0) return 0;
  const script = deletions.map((args) => `${args.join(' ')}\n`).join('');
  const { exitCode, stdout, stderr } = await exec('conntrack', ['--load-file', '-'], {
    stdin: script,
    timeoutMs: 60_000,
  });
  // 1 says that nothing matched.
  if (exitCode > 1) {
    throw new FairleadError('conntrack', `conntrack failed with ${exitCode}: ${stderr.trim().slice(0, 500)}`, {
      remedy: 'run as root, with conntrack 1.4.6 or newer',
    });
  }
  return stdout.split('\n').length - 1;
}
