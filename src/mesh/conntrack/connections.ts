import { type ConntrackEntry, readEntries } from './entries.ts';
import type { Target } from './stale.ts';

/** The key of a count: `10.1.1.2 3000`. */
export const targetKey = ({ address, port }: Target): string => `${address} ${port}`;

/**
 * How many connections each endpoint has on this host, by `targetKey`: TCP connections that are established and UDP
 * flows that were answered more than once, however they were addressed. From one reading of the kernel's table.
 * Throws `exec-missing` without the conntrack program.
 */
export async function countConnections(targets: readonly Target[]): Promise<ReadonlyMap<string, number>> {
  const counts = new Map(targets.map((target) => [targetKey(target), 0]));
  if (counts.size > 0) await readEntries((entry) => countEntry(counts, entry));
  return counts;
}

export function countEntry(counts: Map<string, number>, entry: ConntrackEntry): void {
  const key = targetKey({ address: entry.replySource, port: entry.replySourcePort });
  const count = counts.get(key);
  const alive = entry.protocol === 'tcp' ? entry.state === 'ESTABLISHED' : entry.assured;
  if (count !== undefined && alive) counts.set(key, count + 1);
}
