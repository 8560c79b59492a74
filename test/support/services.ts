import { defaultPolicy } from '../../src/model/policy.ts';
import type { ServicePort } from '../../src/model/service.ts';
import type { Endpoint, Service, ServiceTable } from '../../src/model/table.ts';

export type EndpointOptions = Partial<Endpoint> & {
  readonly address: string;
  readonly port?: number;
};

/** A passing endpoint `n1/<name>` with port 8080 as `http`. */
export function endpoint(name: string, { port = 8080, ...options }: EndpointOptions): Endpoint {
  return {
    id: `n1/${name}`,
    node: 'n1',
    ports: new Map([['http', port]]),
    weight: 1,
    tags: [],
    meta: new Map(),
    relay: 'auto',
    state: 'passing',
    reason: '',
    ...options,
  };
}

export type ServiceOptions = Partial<Omit<Service, 'ports' | 'endpoints'>> & {
  readonly ports?: readonly Partial<ServicePort>[];
  /** Name → what differs from the defaults, or just the address. */
  readonly endpoints?: Readonly<Record<string, string | EndpointOptions>>;
};

/** A service with VIP port 80/tcp called `http`. */
export function service(key: string, { ports = [{}], endpoints = {}, ...options }: ServiceOptions = {}): Service {
  const { vip: _vip, ...policy } = defaultPolicy;
  return {
    key,
    name: key,
    ...policy,
    ...options,
    ports: ports.map((port) => ({ name: 'http', port: 80, protocol: 'tcp', ...port })),
    endpoints: Object.entries(endpoints)
      .map(([name, what]) => endpoint(name, typeof what === 'string' ? { address: what } : what))
      .sort((a, b) => (a.id < b.id ? -1 : 1)),
  };
}

export function table(revision: number, ...services: readonly Service[]): ServiceTable {
  return {
    revision,
    services: new Map(services.map((each) => [each.key, each])),
    byName: new Map(services.map((each) => [each.name, [each]])),
    nodes: new Map(),
    problems: [],
  };
}
