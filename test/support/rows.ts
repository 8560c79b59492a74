import { defaultPolicy } from '../../src/model/policy.ts';
import {
  endpointId,
  type Registration,
  type ServiceKey,
  type ServicePolicy,
  serviceKey,
} from '../../src/model/service.ts';

export interface RowOptions {
  readonly node?: string;
  readonly stack?: string;
  readonly address?: string;
  readonly address6?: string;
  readonly port?: number;
  readonly weight?: number;
  readonly state?: Registration['state'];
  readonly policy?: Partial<ServicePolicy>;
}

/** A registration of `service` as a container would make it: VIP port 80, TCP. */
export function row(service: string, localId: string, options: RowOptions = {}): Registration {
  const { node = 'n1', stack, address = '172.17.0.2', address6, port = 8080, weight = 1, state = 'passing' } = options;
  return {
    id: endpointId(node, localId),
    node,
    service: { name: service, ...(stack === undefined ? {} : { stack }) },
    policy: { ...defaultPolicy, ports: [{ name: 'http', port: 80, protocol: 'tcp' }], ...options.policy },
    address,
    ...(address6 === undefined ? {} : { address6 }),
    ports: new Map([['http', port]]),
    weight,
    tags: [],
    meta: new Map(),
    relay: 'auto',
    state,
    reason: state === 'passing' ? '' : `made ${state}`,
  };
}

/** Rows grouped by service, each group sorted by id, as the registry and the local set give them. */
export function grouped(...rows: readonly Registration[]): ReadonlyMap<ServiceKey, readonly Registration[]> {
  const groups = Map.groupBy(rows, (each) => serviceKey(each.service));
  for (const group of groups.values()) group.sort((a, b) => (a.id < b.id ? -1 : 1));
  return groups;
}
