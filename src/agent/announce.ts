import type { AdminBackend } from '../admin/backend.ts';
import type { Clock } from '../lib/clock.ts';
import type { Latest } from '../lib/latest.ts';
import type { Logger } from '../lib/logger.ts';
import { inRotation } from '../model/service.ts';
import type { ServiceTable } from '../model/table.ts';

/** A start takes a few hundred milliseconds; what is not ready after some seconds waits for somebody to act. */
const STARTING_MS = 5000;
const STARTING_LOOK_MS = 10;
const LOOK_MS = 1000;

interface AnnounceOptions {
  readonly api: AdminBackend;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Logs once, when everything works. */
export async function announceReady({ api, clock, log }: AnnounceOptions, signal: AbortSignal): Promise<void> {
  const startedAt = clock.monotonic();
  while (!signal.aborted && api.readiness().length > 0) {
    const isStarting = clock.monotonic() - startedAt < STARTING_MS;
    await clock.sleep(isStarting ? STARTING_LOOK_MS : LOOK_MS, signal);
  }
  if (signal.aborted) return;
  const readyMs = Math.round(process.uptime() * 1000);
  const { services, endpoints, mesh } = api.status();
  log.info({ readyMs, services, endpoints, mesh: mesh.backend }, 'ready');
}

/** The first table in which all of the demo's endpoints have passed their checks; undefined when stopped before. */
export async function settledDemo(
  tables: Latest<ServiceTable>,
  signal: AbortSignal,
): Promise<ServiceTable | undefined> {
  for await (const table of tables.watch(signal)) {
    const hello = table.services.get('hello');
    if (hello?.endpoints.every(({ state }) => inRotation(state))) return table;
  }
  return undefined;
}
