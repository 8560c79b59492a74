import { isIPv4, isIPv6 } from 'node:net';
import { inRotation } from '../../model/service.ts';
import type { Endpoint, Service } from '../../model/table.ts';
import { Rcode, RecordType } from '../wire/codes.ts';
import { isName } from '../wire/name.ts';
import type { DnsRecord, RecordData, ResponseContent } from '../wire/record.ts';
import { hasTag } from './consul-name.ts';
import { hexOfAddress } from './reverse.ts';
import type { Located, Target } from './target.ts';

/** Seconds. */
export interface Ttls {
  readonly vip: number;
  readonly endpoints: number;
  readonly negative: number;
}

export interface ZoneContext {
  readonly domain: string;
  readonly ttl: Ttls;
  /** The table's revision, which is the zones' serial. */
  readonly serial: number;
}

/** The answer to a question for a name of ours: records, NODATA or NXDOMAIN. */
export function answerLocated(context: ZoneContext, located: Located, type: number): ResponseContent {
  const { target, apex } = located;
  if (target === undefined) return negative(context, apex, Rcode.NXDOMAIN);
  if (target.kind === 'empty') return negative(context, apex, Rcode.NOERROR);
  // RFC 8482: one small record instead of everything, so that a forged question gains nothing by asking for ANY.
  if (type === RecordType.ANY)
    return positive([{ ttl: context.ttl.vip, data: { type: 'HINFO', cpu: 'RFC8482', os: '' } }]);
  const { answers, additional = [] } = targetRecords(context, target, type);
  return answers.length === 0 ? negative(context, apex, Rcode.NOERROR) : positive(answers, additional);
}

const positive = (answers: readonly DnsRecord[], additional: readonly DnsRecord[] = []): ResponseContent => ({
  rcode: Rcode.NOERROR,
  authoritative: true,
  answers,
  authority: [],
  additional,
});

/** NXDOMAIN, or NODATA with NOERROR, with the zone's SOA for the client to cache it by (RFC 2308). */
export const negative = (context: ZoneContext, apex: string, rcode: number): ResponseContent => ({
  rcode,
  authoritative: true,
  answers: [],
  authority: [{ ...soa(context), name: apex }],
  additional: [],
});

/** Its TTL is its MINIMUM, so that min(TTL, MINIMUM) is what the configuration says. */
const soa = ({ domain, ttl, serial }: ZoneContext): DnsRecord => ({
  ttl: ttl.negative,
  data: {
    type: 'SOA',
    mname: `ns.${domain}`,
    rname: `hostmaster.${domain}`,
    serial: serial % 2 ** 32,
    refresh: 3600,
    retry: 600,
    expire: 86_400,
    minimum: ttl.negative,
  },
});

interface Records {
  readonly answers: readonly DnsRecord[];
  readonly additional?: readonly DnsRecord[];
}

function targetRecords(context: ZoneContext, target: Exclude<Target, { kind: 'empty' }>, type: number): Records {
  const { ttl, domain } = context;
  switch (target.kind) {
    case 'service': {
      const { service } = target;
      const vips = [service.vip, service.vip6].filter((vip) => vip !== undefined);
      if (vips.length > 0) return { answers: addressRecords(vips, type, ttl.vip) };
      return { answers: addressRecords(endpointAddresses([service]), type, ttl.endpoints) };
    }
    case 'endpoints':
      if (type === RecordType.SRV) return serviceLocations(context, { ...target, kind: 'ports', protocol: undefined });
      return { answers: addressRecords(endpointAddresses(target.services, target.tag), type, ttl.endpoints) };
    case 'ports':
      return type === RecordType.SRV ? serviceLocations(context, target) : { answers: [] };
    case 'node':
      return { answers: addressRecords([target.node.address], type, ttl.vip) };
    case 'address':
      return { answers: addressRecords([target.address], type, ttl.vip) };
    case 'pointer':
      return {
        answers: type === RecordType.PTR ? pointers(target.names, target.stable ? ttl.vip : ttl.endpoints) : [],
      };
    case 'nameserver':
      return {
        answers: addressRecords(
          target.nodes.map((node) => node.address),
          type,
          ttl.vip,
        ),
      };
    case 'apex':
      if (type === RecordType.SOA) return { answers: [soa(context)] };
      return {
        answers: type === RecordType.NS ? [{ ttl: ttl.vip, data: { type: 'NS', target: `ns.${domain}` } }] : [],
      };
  }
}

/** Each address once: a container with two ports is two endpoints. */
function addressRecords(addresses: readonly string[], type: number, ttl: number): DnsRecord[] {
  if (type === RecordType.A)
    return [...new Set(addresses.filter(isIPv4))].map((address) => ({ ttl, data: { type: 'A', address } }));
  if (type !== RecordType.AAAA) return [];
  return [...new Set(addresses.filter(isIPv6))].map((address) => ({ ttl, data: { type: 'AAAA', address } }));
}

const pointers = (names: readonly string[], ttl: number): DnsRecord[] =>
  names.filter(isName).map((target) => ({ ttl, data: { type: 'PTR', target } }));

/** Why an endpoint is left out of answers; undefined where it is in. */
export function exclusion(service: Service, endpoint: Endpoint, tag?: string): string | undefined {
  if (!inRotation(endpoint.state))
    return endpoint.reason === '' ? endpoint.state : `${endpoint.state}: ${endpoint.reason}`;
  if (endpoint.weight === 0) return 'weight 0';
  if (tag !== undefined && !hasTag(service.stack, endpoint.tags, tag)) return `without tag ${tag}`;
  return undefined;
}

const included = (service: Service, tag: string | undefined): Endpoint[] =>
  service.endpoints.filter((endpoint) => exclusion(service, endpoint, tag) === undefined);

const endpointAddresses = (services: readonly Service[], tag?: string): string[] =>
  services.flatMap((service) =>
    included(service, tag).flatMap(({ address, address6 }) =>
      address6 === undefined ? [address] : [address, address6],
    ),
  );

type Ports = Extract<Target, { kind: 'ports' }>;

/** SRV for each endpoint and port, and the addresses of their targets. */
function serviceLocations({ domain, ttl }: ZoneContext, { services, protocol, port, tag }: Ports): Records {
  const answers = new Map<string, DnsRecord>();
  const additional = new Map<string, DnsRecord>();
  for (const service of services) {
    const ports = service.ports.filter(
      (candidate) =>
        (protocol === undefined || candidate.protocol === protocol) && (port === undefined || candidate.name === port),
    );
    for (const endpoint of included(service, tag)) {
      const location = addressName(endpoint.address, domain);
      for (const number of new Set(ports.map(({ name }) => endpoint.ports.get(name)))) {
        if (number === undefined || location === undefined) continue;
        const data: RecordData = {
          type: 'SRV',
          priority: 1,
          weight: endpoint.weight,
          port: number,
          target: location.name,
        };
        answers.set(`${location.name}:${number}`, { ttl: ttl.endpoints, data });
        additional.set(location.name, { name: location.name, ttl: ttl.endpoints, data: location.data });
      }
    }
  }
  return { answers: [...answers.values()], additional: [...additional.values()] };
}

/** A name for an address that always resolves to it: `0a010102.addr.<domain>`. */
function addressName(address: string, domain: string): { name: string; data: RecordData } | undefined {
  const hex = hexOfAddress(address);
  if (hex === undefined) return undefined;
  return { name: `${hex}.addr.${domain}`, data: { type: isIPv4(address) ? 'A' : 'AAAA', address } };
}
