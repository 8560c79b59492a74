import { defaultPolicy } from '../../src/model/policy.ts';
import type { EndpointState } from '../../src/model/service.ts';
import type { Endpoint, Service } from '../../src/model/table.ts';

/** An endpoint `n1/<localId>` listening on 3000 for the port named `main`, passing unless told otherwise. */
export function endpoint(localId: string, address: string, options: Partial<Endpoint> = {}): Endpoint {
  return {
    id: `n1/${localId}`,
    node: 'n1',
    address,
    ports: new Map([['main', 3000]]),
    weight: 1,
    tags: [],
    meta: new Map(),
    relay: 'auto',
    state: 'passing',
    reason: '',
    ...options,
  };
}

export const inState = (one: Endpoint, state: EndpointState): Endpoint => ({ ...one, state });

/** A service at 10.96.0.1 with one UDP port 53 called `main`, unless told otherwise. */
export function service(endpoints: readonly Endpoint[], options: Partial<Service> = {}): Service {
  const { affinity, traffic, schedule, drainMs } = defaultPolicy;
  return {
    key: 'dns',
    name: 'dns',
    vip: '10.96.0.1',
    ports: [{ name: 'main', port: 53, protocol: 'udp' }],
    affinity,
    traffic,
    schedule,
    drainMs,
    endpoints,
    ...options,
  };
}
