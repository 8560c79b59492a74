import { isIP, isIPv4, isIPv6 } from 'node:net';
import ipaddr from 'ipaddr.js';
import { FairleadError } from '../lib/errors.ts';
import type { HostFacts } from '../model/host.ts';

export interface SocketAddress {
  readonly address: string;
  readonly port: number;
}

/** `127.0.0.1:53`, `[::1]:53`; or a bare `127.0.0.1`, `::1` with `defaultPort`. Throws `address`. */
export function parseSocketAddress(text: string, defaultPort: number): SocketAddress {
  const match = /^(?:\[([^\]]+)\]|([^:]+))(?::(\d{1,5}))?$/.exec(text);
  const address = isIP(text) !== 0 ? text : (match?.[1] ?? match?.[2] ?? '');
  const port = isIP(text) !== 0 || match?.[3] === undefined ? defaultPort : Number(match[3]);
  if (isIP(address) === 0 || port > 65_535) {
    throw new FairleadError('address', `${JSON.stringify(text)} is not an address`, {
      remedy: 'write 192.0.2.1, 192.0.2.1:53 or [2001:db8::1]:53',
    });
  }
  return { address, port };
}

export const formatSocketAddress = ({ address, port }: SocketAddress): string =>
  isIPv6(address) ? `[${address}]:${port}` : `${address}:${port}`;

/** One spelling for each address: IPv6 compressed as RFC 5952 says, without zone; what is no address stays as it is. */
export function canonicalAddress(address: string): string {
  if (!address.includes(':')) return address;
  const bare = withoutZone(address);
  return isIPv6(bare) ? ipaddr.IPv6.parse(bare).toRFC5952String() : bare;
}

const withoutZone = (address: string): string => address.split('%', 1)[0] ?? address;

export const isLoopback = (address: string): boolean => address.startsWith('127.') || address === '::1';

/** The most client addresses whose verdict is remembered. */
const MAX_REMEMBERED = 4096;

/** May this address ask? For CIDRs and single addresses of both families. Throws `address` for what is neither. */
export function compileAllow(networks: readonly string[]): (address: string) => boolean {
  const ranges = networks.map(parseNetwork);
  const remembered = new Map<string, boolean>();
  return (address) => {
    const known = remembered.get(address);
    if (known !== undefined) return known;
    const verdict = isAllowed(address, ranges);
    if (remembered.size >= MAX_REMEMBERED) remembered.clear();
    remembered.set(address, verdict);
    return verdict;
  };
}

type Network = readonly [ipaddr.IPv4 | ipaddr.IPv6, number];

function isAllowed(address: string, ranges: readonly Network[]): boolean {
  const bare = withoutZone(address);
  if (isIP(bare) === 0) return false;
  const parsed = ipaddr.process(bare);
  return ranges.some(([network, bits]) => network.kind() === parsed.kind() && parsed.match(network, bits));
}

function parseNetwork(text: string): Network {
  const [address = '', prefix] = text.split('/');
  const width = isIPv4(address) ? 32 : 128;
  const bits = prefix === undefined ? width : /^\d{1,3}$/.test(prefix) ? Number(prefix) : Number.NaN;
  if (isIP(address) === 0 || !(bits <= width)) {
    throw new FairleadError('address', `${JSON.stringify(text)} is neither an address nor a network`, {
      remedy: 'write 10.0.0.0/8, 192.0.2.1 or fd00::/8',
    });
  }
  return [ipaddr.parse(address), bits];
}

/** Who may ask where `dns.allow` says nothing: this host, its containers, and the range of virtual addresses. */
export const defaultAllow = (facts: HostFacts, vipRanges: readonly string[]): string[] => [
  '127.0.0.0/8',
  '::1',
  ...facts.addresses.map(withoutZone),
  ...facts.bridges.flatMap((bridge) => bridge.subnets),
  ...vipRanges,
];
