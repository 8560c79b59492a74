import { typeCode } from '../../src/dns/wire/codes.ts';
import { encodeName } from '../../src/dns/wire/name.ts';
import type { EndpointState, ServicePort } from '../../src/model/service.ts';
import { serviceKey } from '../../src/model/service.ts';
import type { ClusterNode, Endpoint, Service, ServiceTable } from '../../src/model/table.ts';

/** A fixed address plan: VIPs 10.96.x.x, containers 172.17.<stack>.x, nodes 192.168.50.x. */
export function endpoint(id: string, address: string, more: Partial<Endpoint> = {}): Endpoint {
  return {
    id,
    node: id.split('/')[0] ?? '',
    address,
    ports: new Map([['http', 3000]]),
    weight: 1,
    tags: [],
    meta: new Map(),
    relay: 'auto',
    state: 'passing' satisfies EndpointState,
    reason: '',
    ...more,
  };
}

const HTTP: ServicePort = { name: 'http', port: 80, protocol: 'tcp' };

export function service(name: string, more: Partial<Service> = {}): Service {
  const stack = more.stack;
  return {
    key: serviceKey(stack === undefined ? { name } : { name, stack }),
    name,
    ports: [HTTP],
    affinity: { kind: 'none' },
    traffic: 'cluster',
    schedule: 'random',
    drainMs: 10_000,
    endpoints: [],
    ...more,
  };
}

export const node = (name: string, address: string): ClusterNode => ({
  name,
  address,
  state: 'passing',
  version: '0.1.0',
  revision: 1,
});

export function table(services: readonly Service[], nodes: readonly ClusterNode[] = [], revision = 1): ServiceTable {
  const byName = new Map<string, Service[]>();
  const sorted = [...services].sort((a, b) => ((a.stack ?? '') < (b.stack ?? '') ? -1 : 1));
  for (const one of sorted) byName.set(one.name, [...(byName.get(one.name) ?? []), one]);
  return {
    revision,
    services: new Map(services.map((one) => [one.key, one])),
    byName,
    nodes: new Map(nodes.map((one) => [one.name, one])),
    problems: [],
  };
}

export interface QuestionOptions {
  readonly id?: number;
  readonly flags?: number;
  readonly class?: number;
  readonly opt?: {
    readonly size?: number;
    readonly version?: number;
    readonly flags?: number;
    readonly options?: Buffer;
  };
}

/** A query as a client would send it; RD set unless `flags` says otherwise. */
export function question(name: string, type: string | number, options: QuestionOptions = {}): Buffer {
  const code = typeof type === 'number' ? type : (typeCode(type) ?? 0);
  const header = Buffer.alloc(12);
  header.writeUInt16BE(options.id ?? 0x1234, 0);
  header.writeUInt16BE(options.flags ?? 0x0100, 2);
  header.writeUInt16BE(1, 4);
  header.writeUInt16BE(options.opt === undefined ? 0 : 1, 10);
  const tail = Buffer.alloc(4);
  tail.writeUInt16BE(code, 0);
  tail.writeUInt16BE(options.class ?? 1, 2);
  return Buffer.concat([
    header,
    encodeName(name),
    tail,
    options.opt === undefined ? Buffer.alloc(0) : opt(options.opt),
  ]);
}

export function opt({
  size = 4096,
  version = 0,
  flags = 0,
  options = Buffer.alloc(0),
}: NonNullable<QuestionOptions['opt']>): Buffer {
  const record = Buffer.alloc(11);
  record.writeUInt16BE(41, 1);
  record.writeUInt16BE(size, 3);
  record.writeUInt8(version, 6);
  record.writeUInt16BE(flags, 7);
  record.writeUInt16BE(options.length, 9);
  return Buffer.concat([record, options]);
}

/** The table most DNS tests ask: every kind of service once. */
export const exampleTable = (): ServiceTable =>
  table(
    [
      service('web', {
        vip: '10.96.0.1',
        vip6: 'fd00:f1::1',
        endpoints: [
          endpoint('n1/web-1', '172.17.0.2', { tags: ['v1'] }),
          endpoint('n2/web-2', '172.17.0.3', { tags: ['V2', 'a.b'], weight: 3, ports: new Map([['http', 3001]]) }),
          endpoint('n2/web-3', '172.17.0.4', { state: 'critical', reason: 'http 503 from /healthz' }),
          endpoint('n2/web-4', '172.17.0.5', { weight: 0 }),
        ],
      }),
      service('web', { stack: 'shop', vip: '10.96.0.2', endpoints: [endpoint('n1/shop-web', '172.17.1.2')] }),
      service('db', {
        stack: 'shop',
        vip: '10.96.0.3',
        endpoints: [endpoint('n1/shop-db', '172.17.1.3', { state: 'warning' })],
      }),
      service('db', { stack: 'blog', vip: '10.96.0.4', endpoints: [endpoint('n1/blog-db', '172.17.2.3')] }),
      service('cache', {
        stack: 'blog',
        vip: '10.96.0.5',
        endpoints: [endpoint('n1/cache', '172.17.2.4', { state: 'draining' })],
      }),
      service('peers', {
        ports: [
          { name: 'http', port: 80, protocol: 'tcp' },
          { name: 'gossip', port: 7946, protocol: 'udp' },
        ],
        endpoints: [
          endpoint('n1/p1', '172.17.3.1', {
            address6: 'fd00:17::1',
            ports: new Map([
              ['http', 80],
              ['gossip', 7946],
            ]),
          }),
          endpoint('n1/p2', 'fd00:17::2'),
          endpoint('n1/p3', '172.17.3.3', { state: 'critical' }),
        ],
      }),
      service('shared', { stack: 'shop', endpoints: [endpoint('n1/host-net', '192.168.50.11')] }),
    ],
    [node('n1', '192.168.50.11'), node('N2.example.com', '192.168.50.12'), node('n6', 'fd00:50::6')],
    7,
  );
