import { isIPv6 } from 'node:net';
import ipaddr from 'ipaddr.js';
import type { ContainerBridge } from '../../model/host.ts';

export interface InterfaceAddress {
  readonly address: string;
  readonly prefixLength: number;
  /** Bound and answering: IPv6's duplicate detection is over. */
  readonly usable: boolean;
  /** Of one link only (fe80::/10): cannot be named without the interface. */
  readonly linkLocal: boolean;
}

export interface NetworkInterface {
  readonly name: string;
  /** `bridge`, `veth`, `vxlan`, …; absent for hardware. */
  readonly kind?: string;
  readonly addresses: readonly InterfaceAddress[];
  /** Where it is a port of a bridge. */
  readonly port?: { readonly bridge: string; readonly hairpin: boolean };
}

export interface Route {
  /** `10.0.0.0/8`; a host route without its length is given one. */
  readonly destination: string;
  readonly device: string;
  /** `main`, `local`, `default`, or another's number. */
  readonly table: string;
  /** `unicast`, `local`, `broadcast`, `blackhole`, … */
  readonly type: string;
  /** A name of /etc/iproute2/rt_protos, or a number. */
  readonly protocol: string;
  readonly metric: number;
  readonly source?: string;
}

/** The interfaces in what `ip -j -d addr show` printed; entries that make no sense are left out. */
export function decodeInterfaces(printed: unknown): readonly NetworkInterface[] {
  return records(printed).flatMap((link) => {
    const { ifname, linkinfo, addr_info } = link;
    if (typeof ifname !== 'string') return [];
    const kind = isRecord(linkinfo) ? text(linkinfo.info_kind) : undefined;
    const addresses = records(addr_info).flatMap(decodeAddress);
    const port = decodePort(link);
    return [
      { name: ifname, addresses, ...(kind === undefined ? {} : { kind }), ...(port === undefined ? {} : { port }) },
    ];
  });
}

function decodePort({ master, linkinfo }: Record<string, unknown>): NetworkInterface['port'] {
  if (typeof master !== 'string' || !isRecord(linkinfo) || linkinfo.info_slave_kind !== 'bridge') return undefined;
  const data = linkinfo.info_slave_data;
  return { bridge: master, hairpin: isRecord(data) && data.hairpin === true };
}

function decodeAddress(entry: Record<string, unknown>): readonly InterfaceAddress[] {
  const { local, prefixlen, tentative, dadfailed } = entry;
  if (typeof local !== 'string' || typeof prefixlen !== 'number' || !ipaddr.isValid(local)) return [];
  const usable = tentative !== true && dadfailed !== true;
  const linkLocal = isIPv6(local) && ipaddr.parse(local).range() === 'linkLocal';
  return [{ address: local, prefixLength: prefixlen, usable, linkLocal }];
}

/** The routes in what `ip -j route show` printed. Multipath routes count with their first device. */
export function decodeRoutes(printed: unknown): readonly Route[] {
  return records(printed).flatMap((entry) => {
    const { dst, dev, table, type, protocol, metric, prefsrc, nexthops } = entry;
    const device = text(dev) ?? text(records(nexthops)[0]?.dev) ?? '';
    if (typeof dst !== 'string') return [];
    const source = text(prefsrc);
    return [
      {
        destination: withLength(dst),
        device,
        table: text(table) ?? 'main',
        type: text(type) ?? 'unicast',
        protocol: text(protocol) ?? '',
        metric: typeof metric === 'number' ? metric : 0,
        ...(source === undefined ? {} : { source }),
      },
    ];
  });
}

function withLength(destination: string): string {
  if (destination === 'default' || destination.includes('/')) return destination;
  return `${destination}/${isIPv6(destination) ? 128 : 32}`;
}

/** Kinds of interfaces by which a bridge leads out of this host; hardware has none. */
const UPLINKS: ReadonlySet<string | undefined> = new Set([undefined, 'bond', 'team', 'vlan', 'macvlan']);

/**
 * Every bridge with an address: Docker's, Podman's, a CNI's, or one made by hand. Not a bridge over an uplink, as
 * hypervisors have it: what is behind that is the network outside.
 */
export function containerBridges(interfaces: readonly NetworkInterface[]): readonly ContainerBridge[] {
  const leadOut = new Set(interfaces.flatMap(({ kind, port }) => (port && UPLINKS.has(kind) ? port.bridge : [])));
  return interfaces.flatMap(({ name, kind, addresses }) => {
    const own = addresses.filter(({ linkLocal }) => !linkLocal);
    if (kind !== 'bridge' || own.length === 0 || leadOut.has(name)) return [];
    const subnets = [...new Set(own.map(subnetOf))];
    return [{ name, subnets, gateways: own.filter(({ usable }) => usable).map(({ address }) => address) }];
  });
}

/** Every usable address but the link-local ones, in the kernel's order, each once. */
export function hostAddresses(interfaces: readonly NetworkInterface[]): readonly string[] {
  const usable = interfaces.flatMap(({ addresses }) => addresses.filter((one) => one.usable && !one.linkLocal));
  return [...new Set(usable.map(({ address }) => address))];
}

/** `172.17.0.1` of length 16 → `172.17.0.0/16`. */
export function subnetOf({ address, prefixLength }: Pick<InterfaceAddress, 'address' | 'prefixLength'>): string {
  const range = `${address}/${prefixLength}`;
  const network = isIPv6(address)
    ? ipaddr.IPv6.networkAddressFromCIDR(range).toRFC5952String()
    : ipaddr.IPv4.networkAddressFromCIDR(range).toString();
  return `${network}/${prefixLength}`;
}

const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null;
const records = (value: unknown) => (Array.isArray(value) ? value.filter(isRecord) : []);
const text = (value: unknown) => (typeof value === 'string' ? value : undefined);
