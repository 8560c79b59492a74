/** An address as arithmetic sees it. */
export interface Address {
  readonly family: 4 | 6;
  readonly value: bigint;
}

/** The addresses services may get, numbered by offset from the network address. */
export interface VipRange {
  readonly family: 4 | 6;
  /** Canonical, `10.96.0.0/16`. */
  readonly cidr: string;
  readonly base: bigint;
  /** The first and last offset that may be given out: without network and broadcast address where there are such. */
  readonly first: number;
  readonly last: number;
}

/** Offsets stay exact numbers; of a wider IPv6 range only the lowest 2^32 addresses are given out. */
const MAX_BITS = 32;

/** Four decimal parts, no leading zeros (`inet_aton` would read those as octal), or RFC 4291 text; no zone, no port. */
export function parseAddress(text: string): Address | undefined {
  const value = text.includes(':') ? parse6(text) : parse4(text);
  if (value === undefined) return undefined;
  return { family: text.includes(':') ? 6 : 4, value };
}

/** Dotted quad, or RFC 5952 text. */
export function formatAddress({ family, value }: Address): string {
  return family === 4 ? format4(value) : format6(value);
}

/** The one spelling of an address that is compared and stored; undefined where it is none. */
export function canonicalAddress(text: string): string | undefined {
  const address = parseAddress(text);
  return address === undefined ? undefined : formatAddress(address);
}

/** `10.96.0.0/16`, `fd00:f1::/112`; undefined where it is no CIDR or has bits set behind its prefix. */
export function parseVipRange(cidr: string): VipRange | undefined {
  const [, text = '', length = ''] = /^([^/]+)\/(0|[1-9]\d{0,2})$/.exec(cidr) ?? [];
  const address = parseAddress(text);
  if (address === undefined) return undefined;
  const { family, value: base } = address;
  const hostBits = (family === 4 ? 32 : 128) - Number(length);
  if (hostBits < 0 || base % (1n << BigInt(hostBits)) !== 0n) return undefined;
  const size = 2 ** Math.min(hostBits, MAX_BITS);
  // A /31 and a /32 have neither network nor broadcast address (RFC 3021); in IPv6 the lowest
  // address is the routers' anycast address (RFC 4291 2.6.1), and a /127 is a link without one (RFC 6164).
  const reserved = size > 2;
  return {
    family,
    cidr: `${formatAddress(address)}/${length}`,
    base,
    first: reserved ? 1 : 0,
    last: reserved && family === 4 ? size - 2 : size - 1,
  };
}

/** Have two networks in CIDR form an address in common? False where one of them is none. */
export function overlaps(a: string, b: string): boolean {
  const [one, other] = [a, b].map(parseNetwork);
  if (one === undefined || other === undefined || one.family !== other.family) return false;
  const hostBits = BigInt((one.family === 4 ? 32 : 128) - Math.min(one.length, other.length));
  return one.value >> hostBits === other.value >> hostBits;
}

function parseNetwork(cidr: string): (Address & { readonly length: number }) | undefined {
  const [text = '', length] = cidr.split('/');
  const address = parseAddress(text);
  return address === undefined ? undefined : { ...address, length: Number(length) };
}

/** How many addresses the range has to give. */
export const rangeSize = (range: VipRange): number => range.last - range.first + 1;

/** The address at an offset, canonical. */
export const addressAt = (range: VipRange, offset: number): string =>
  formatAddress({ family: range.family, value: range.base + BigInt(offset) });

/** The offset of an address that the range may give out; undefined for any other. */
export function offsetOf(range: VipRange, text: string): number | undefined {
  const address = parseAddress(text);
  if (address === undefined || address.family !== range.family) return undefined;
  const offset = address.value - range.base;
  return offset >= BigInt(range.first) && offset <= BigInt(range.last) ? Number(offset) : undefined;
}

/**
 * The first offset not in `taken`, searched from a place that depends only on `seed`: without collisions a name has
 * the same address on every host, after every loss of the registry. Undefined when all are taken.
 */
export function freeOffset(range: VipRange, seed: string, taken: ReadonlySet<number>): number | undefined {
  const size = rangeSize(range);
  if (taken.size >= size) return undefined;
  const start = hash32(seed) % size;
  for (let step = 0; step < size; step++) {
    const offset = range.first + ((start + step) % size);
    if (!taken.has(offset)) return offset;
  }
  return undefined;
}

function parse4(text: string): bigint | undefined {
  const match = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text);
  if (match === null) return undefined;
  let value = 0;
  for (const part of match.slice(1)) {
    if (Number(part) > 255 || (part.length > 1 && part.startsWith('0'))) return undefined;
    value = value * 256 + Number(part);
  }
  return BigInt(value);
}

const format4 = (value: bigint): string => {
  const bits = Number(value);
  return `${bits >>> 24}.${(bits >>> 16) & 255}.${(bits >>> 8) & 255}.${bits & 255}`;
};

function parse6(text: string): bigint | undefined {
  if (text.includes('.')) return parse6(hexTail(text) ?? '');
  const [head = '', rest, ...more] = text.split('::');
  if (more.length > 0) return undefined;
  const left = head === '' ? [] : head.split(':');
  const right = rest === undefined || rest === '' ? [] : rest.split(':');
  const zeros = 8 - left.length - right.length;
  if (rest === undefined ? zeros !== 0 : zeros < 1) return undefined;
  let hex = '0x';
  for (const group of left) hex += padGroup(group);
  hex += '0000'.repeat(zeros);
  for (const group of right) hex += padGroup(group);
  return /^0x[\da-f]{32}$/i.test(hex) ? BigInt(hex) : undefined;
}

/** Makes an empty group as unacceptable as a long one. */
const padGroup = (group: string): string => (group === '' ? '-' : group.padStart(4, '0'));

/** `::ffff:192.0.2.1` (RFC 4291 2.2.3) with its last four bytes as two groups. */
function hexTail(text: string): string | undefined {
  const at = text.lastIndexOf(':') + 1;
  const quad = parse4(text.slice(at));
  return quad === undefined
    ? undefined
    : `${text.slice(0, at)}${(quad >> 16n).toString(16)}:${(quad & 0xffffn).toString(16)}`;
}

/** RFC 5952: no leading zeros, the first longest run of two or more zero groups as `::`. */
function format6(value: bigint): string {
  const groups = Array.from({ length: 8 }, (_, i) => ((value >> BigInt(112 - 16 * i)) & 0xffffn).toString(16));
  let [start, length] = [0, 1];
  for (let i = 0; i < 8; i++) {
    let end = i;
    while (groups[end] === '0') end++;
    if (end - i > length) [start, length] = [i, end - i];
  }
  if (length < 2) return groups.join(':');
  return `${groups.slice(0, start).join(':')}::${groups.slice(start + length).join(':')}`;
}

/** FNV-1a with murmur3's finish, so that names that differ in their last letter land far apart. */
function hash32(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
