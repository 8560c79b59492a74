import type { CheckSpec, Workload } from '../model/service.ts';

/** What a check asks, and where. */
export interface CheckTarget {
  readonly check: CheckSpec;
  readonly address: string;
  /** Absent where the endpoint has no port, and for `exec`. */
  readonly port?: number;
  /** Where `exec` runs; on this host without one. */
  readonly containerId?: string;
}

/** The target of a workload's check: the probe's own port, else the endpoint's first. Undefined without a check. */
export function checkTarget({ check, address, ports, container }: Workload): CheckTarget | undefined {
  if (check === undefined) return undefined;
  const port = check.probe.kind === 'exec' ? undefined : (check.probe.port ?? ports.values().next().value);
  return {
    check,
    address,
    ...(port === undefined ? {} : { port }),
    ...(container === undefined ? {} : { containerId: container.id }),
  };
}

/** Would the same question go to the same place? Then what is known of it still holds. */
export const sameTarget = (a: CheckTarget, b: CheckTarget): boolean =>
  a.address === b.address &&
  a.port === b.port &&
  a.containerId === b.containerId &&
  (a.check === b.check || JSON.stringify(a.check) === JSON.stringify(b.check));
