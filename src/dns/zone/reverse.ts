import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';
import { canonicalAddress } from '../address.ts';
import { isWithin } from '../wire/name.ts';

const V4 = ['in-addr', 'arpa'];
const V6 = ['ip6', 'arpa'];

/** The address whose reverse name this is (RFC 1035 §3.5, RFC 3596 §2.5); undefined for any other name. */
export function addressOfReverse(labels: readonly string[]): string | undefined {
  if (labels.length === 6 && isWithin(labels, V4)) {
    const octets = labels.slice(0, 4);
    return octets.every(isOctet) ? octets.reverse().join('.') : undefined;
  }
  if (labels.length === 34 && isWithin(labels, V6)) {
    const nibbles = labels.slice(0, 32);
    return nibbles.every(isNibble) ? addressOfHex(nibbles.reverse().join('')) : undefined;
  }
  return undefined;
}

/**
 * Could this be the reverse name of a network, with those of addresses below it? Then it is no NXDOMAIN (RFC 8020),
 * whether or not we know one: that would take an index of every prefix.
 */
export const isReversePrefix = (labels: readonly string[]): boolean =>
  isWithin(labels, V4) ? labels.length < 6 : isWithin(labels, V6) && labels.length < 34;

/** 8 hex digits are an IPv4 address, 32 an IPv6 address, as in Consul's `<hex>.addr.consul`. */
export function addressOfHex(hex: string): string | undefined {
  if (/^[0-9a-f]{8}$/.test(hex)) return [...Buffer.from(hex, 'hex')].join('.');
  if (/^[0-9a-f]{32}$/.test(hex)) return canonicalAddress(hex.match(/.{4}/g)?.join(':') ?? '');
  return undefined;
}

/** The other way round; undefined for what is no address. */
export const hexOfAddress = (address: string): string | undefined =>
  isIP(address) === 0 ? undefined : Buffer.from(ipaddr.parse(address).toByteArray()).toString('hex');

const isOctet = (label: string) => /^(?:0|[1-9]\d{0,2})$/.test(label) && Number(label) <= 255;
const isNibble = (label: string) => /^[0-9a-f]$/.test(label);

const zone = (name: string): readonly string[] => name.split('.');
const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, index) => from + index);

/** Reverse zones of addresses that mean nothing outside this site: RFC 6303 §4, and RFC 7793 for 100.64.0.0/10. */
export const PRIVATE_REVERSE_ZONES: readonly (readonly string[])[] = [
  '10.in-addr.arpa',
  ...range(16, 31).map((octet) => `${octet}.172.in-addr.arpa`),
  '168.192.in-addr.arpa',
  ...range(64, 127).map((octet) => `${octet}.100.in-addr.arpa`),
  '0.in-addr.arpa',
  '127.in-addr.arpa',
  '254.169.in-addr.arpa',
  '2.0.192.in-addr.arpa',
  '100.51.198.in-addr.arpa',
  '113.0.203.in-addr.arpa',
  '255.255.255.255.in-addr.arpa',
  `${'0.'.repeat(32)}ip6.arpa`,
  `1.${'0.'.repeat(31)}ip6.arpa`,
  'd.f.ip6.arpa',
  '8.e.f.ip6.arpa',
  '9.e.f.ip6.arpa',
  'a.e.f.ip6.arpa',
  'b.e.f.ip6.arpa',
  '8.b.d.0.1.0.0.2.ip6.arpa',
].map(zone);
