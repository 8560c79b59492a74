import { defaultPolicy } from '../../src/model/policy.ts';
import type { CheckSpec, Workload } from '../../src/model/service.ts';

export interface WorkloadOptions extends Partial<Omit<Workload, 'service' | 'localId' | 'check'>> {
  readonly service?: string;
  readonly check?: Partial<CheckSpec>;
}

/** A workload as a source would declare it: passing, one port, no check unless asked for. */
export function workload(localId: string, { service = 'web', check, ...rest }: WorkloadOptions = {}): Workload {
  return {
    localId,
    service: { name: service },
    policy: { ...defaultPolicy, ports: [{ name: 'http', port: 80, protocol: 'tcp' }] },
    address: '10.1.1.2',
    ports: new Map([['http', 3000]]),
    weight: 1,
    tags: [],
    meta: new Map(),
    relay: 'auto',
    health: { state: 'passing', reason: '' },
    ...(check && {
      check: { probe: { kind: 'tcp' }, intervalMs: 2000, timeoutMs: 1000, rise: 2, fall: 3, ...check },
    }),
    ...rest,
  };
}
