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
