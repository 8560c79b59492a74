import type { Clock } from '../lib/clock.ts';
import type { Latest } from '../lib/latest.ts';
import type { Logger } from '../lib/logger.ts';
import type { MeshPlane } from '../mesh/plane.ts';
import { inRotation } from '../model/service.ts';
import type { ServiceTable } from '../model/table.ts';
import type { TablePublisher } from '../registry/publisher.ts';

export interface LeaveOptions {
  readonly node: string;
  readonly publisher: TablePublisher;
  readonly mesh: MeshPlane | undefined;
  readonly tables: Latest<ServiceTable>;
  readonly clock: Clock;
  readonly log: Logger;
}

const LOOK_MS = 200;

/**
 * Takes this node out in good order: its endpoints get no new connections anywhere, those they have may end within
 * the services' drain times, and then they are deregistered.
 */
export async function leave(options: LeaveOptions): Promise<void> {
  const { publisher, mesh, tables, clock, log } = options;
  const drainMs = publisher.leave();
  log.info({ drainMs }, 'leaving: endpoints are drained');
  const deadline = clock.monotonic() + drainMs;
  while (clock.monotonic() < deadline && (!isDrained(options) || (await isBusy(mesh, tables.value)))) {
    await clock.sleep(LOOK_MS);
  }
  await publisher.deregister();
}

/** Do the rules in the kernel lead no new connection to this node's endpoints? */
function isDrained({ node, mesh, tables }: LeaveOptions): boolean {
  const services = [...(tables.value?.services.values() ?? [])];
  const own = services.flatMap(({ endpoints }) => endpoints.filter((endpoint) => endpoint.node === node));
  return own.every(({ state }) => !inRotation(state)) && mesh?.status().inSync !== false;
}

/** Are there connections to endpoints? Where nobody can count them: yes. */
async function isBusy(mesh: MeshPlane | undefined, table: ServiceTable | undefined): Promise<boolean> {
  if (mesh === undefined) return true;
  try {
    const counts = await mesh.connections(table?.services.values() ?? []);
    return counts.values().some((count) => count > 0);
  } catch {
    return true;
  }
}
