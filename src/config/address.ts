import { isIPv4, isIPv6 } from 'node:net';
import ipaddr from 'ipaddr.js';
import { parsePort } from '../model/policy.ts';

/** Where to listen, or where a server is: `port` 1–65535. */
export interface HostPort {
  /** Canonical IPv4 or IPv6 address. */
  readonly address: string;
  readonly port: number;
}

export type ListenAddress =
  | ({ readonly kind: 'tcp' } & HostPort)
  /** A socket in the file system, by its absolute path. */
  | { readonly kind: 'unix'; readonly path: string };

export interface PortRange {
  readonly first: number;
  readonly last: number;
}

/**
 * An address in its canonical spelling, or undefined. Strict: four decimal parts for IPv4 (ipaddr.js by itself takes
 * `0x7f.1`), no zone and no IPv4 in disguise for IPv6.
 */
export function parseAddress(text: string): string | undefined {
  if (isIPv4(text)) return text;
  if (!isIPv6(text) || text.includes('%')) return undefined;
  const address = ipaddr.IPv6.parse(text);
  return address.isIPv4MappedAddress() ? undefined : address.toRFC5952String();
}

/** `10.1.0.0/16` or `fd00::/64` with no bits set after the prefix, canonical; a lone address is its own network. */
export function parseCidr(text: string): string | undefined {
  const [host = '', prefix, ...rest] = text.split('/');
  const address = parseAddress(host);
  if (address === undefined || rest.length > 0) return undefined;
  const bits = isIPv4(address) ? 32 : 128;
  if (prefix === undefined) return `${address}/${bits}`;
  if (!/^(?:0|[1-9]\d{0,2})$/.test(prefix) || Number(prefix) > bits) return undefined;
  return networkOf(address, Number(prefix)) === address ? `${address}/${prefix}` : undefined;
}

function networkOf(address: string, prefix: number): string {
  const cidr = `${address}/${prefix}`;
  return isIPv4(address)
    ? ipaddr.IPv4.networkAddressFromCIDR(cidr).toString()
    : ipaddr.IPv6.networkAddressFromCIDR(cidr).toRFC5952String();
}

/** Networks no router and no host would send a connection to. */
const NOT_FOR_VIPS: ReadonlySet<string> = new Set(['unspecified', 'loopback', 'linkLocal', 'multicast', 'broadcast']);

/** A range VIPs are taken from: an IPv4 network of 4 to 16 million addresses. */
export function parseVipCidr(text: string): string | undefined {
  const cidr = text.includes('/') ? parseCidr(text) : undefined;
  const prefix = Number(cidr?.split('/')[1]);
  if (cidr === undefined || !isIPv4(text.split('/')[0] ?? '') || prefix < 8 || prefix > 30) return undefined;
  return NOT_FOR_VIPS.has(ipaddr.parseCIDR(cidr)[0].range()) ? undefined : cidr;
}

/** The same for IPv6, `/64` to `/126`; the empty text for none. */
export function parseVipCidr6(text: string): string | undefined {
  if (text === '') return '';
  const cidr = text.includes('/') ? parseCidr(text) : undefined;
  const prefix = Number(cidr?.split('/')[1]);
  if (cidr?.includes(':') !== true || prefix < 64 || prefix > 126) return undefined;
  return NOT_FOR_VIPS.has(ipaddr.parseCIDR(cidr)[0].range()) ? undefined : cidr;
}

/** `10.0.0.1`, `10.0.0.1:53`, `::1`, `[::1]:53`; undefined without a port where there is no default. */
export function parseHostPort(text: string, defaultPort?: number): HostPort | undefined {
  const bare = parseAddress(text);
  if (bare !== undefined) return defaultPort === undefined ? undefined : { address: bare, port: defaultPort };
  const match = /^(?:\[([^\]]+)\]|([^:[\]]+))(?::(\d+))?$/.exec(text);
  const address = parseAddress(match?.[1] ?? match?.[2] ?? '');
  const port = match?.[3] === undefined ? defaultPort : parsePort(match[3]);
  return address === undefined || port === undefined ? undefined : { address, port };
}

/** `127.0.0.1:7470`, `[::1]:7470`, or `unix:///run/fairlead.sock`. */
export function parseListen(text: string): ListenAddress | undefined {
  const path = parseUnixUrl(text);
  if (path !== undefined) return { kind: 'unix', path };
  const tcp = parseHostPort(text);
  return tcp === undefined ? undefined : { kind: 'tcp', ...tcp };
}

/** The path of `unix:///run/x.sock`; at most 107 bytes, which is what the kernel takes (unix(7)). */
export function parseUnixUrl(text: string): string | undefined {
  const path = text.startsWith('unix:///') ? text.slice('unix://'.length) : '';
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is refused
  return path.length > 1 && Buffer.byteLength(path) <= 107 && !/[\x00-\x1f]/.test(path) ? path : undefined;
}

/** `30000-32767`. */
export function parsePortRange(text: string): PortRange | undefined {
  const [first, last, ...rest] = text.split('-').map(parsePort);
  return first === undefined || last === undefined || rest.length > 0 || first > last ? undefined : { first, last };
}

/** Is this an address only this host can reach? */
export const isLoopback = (address: string): boolean => address === '::1' || address.startsWith('127.');

const LABEL = /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/;

/** A domain name without its final dot, in lower case (RFC 1035 §2.3.4: 63 bytes a label, 253 in all). */
export function parseDomain(text: string): string | undefined {
  const name = text.toLowerCase().replace(/\.$/, '');
  return name.length <= 253 && name.split('.').every((label) => LABEL.test(label)) ? name : undefined;
}
