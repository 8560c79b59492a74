/** Record types by number that this server knows by name; any other is relayed, and shown as `TYPE<n>` (RFC 3597). */
export const RecordType = {
  A: 1,
  NS: 2,
  CNAME: 5,
  SOA: 6,
  PTR: 12,
  HINFO: 13,
  MX: 15,
  TXT: 16,
  AAAA: 28,
  SRV: 33,
  NAPTR: 35,
  DS: 43,
  RRSIG: 46,
  DNSKEY: 48,
  SVCB: 64,
  HTTPS: 65,
  OPT: 41,
  IXFR: 251,
  AXFR: 252,
  ANY: 255,
  CAA: 257,
} as const;

export const Rcode = {
  NOERROR: 0,
  FORMERR: 1,
  SERVFAIL: 2,
  NXDOMAIN: 3,
  NOTIMP: 4,
  REFUSED: 5,
  /** Extended: the upper bits travel in the OPT record. */
  BADVERS: 16,
} as const;

export const CLASS_IN = 1;

/** Bits of the header's second 16 bits. */
export const Flag = { QR: 0x8000, AA: 0x0400, TC: 0x0200, RD: 0x0100, RA: 0x0080, CD: 0x0010 } as const;

const TYPE_NAMES = new Map<number, string>(Object.entries(RecordType).map(([name, code]) => [code, name]));
const RCODE_NAMES = new Map<number, string>(Object.entries(Rcode).map(([name, code]) => [code, name]));

export const typeName = (code: number): string => TYPE_NAMES.get(code) ?? `TYPE${code}`;
export const rcodeName = (code: number): string => RCODE_NAMES.get(code) ?? `RCODE${code}`;

/** `AAAA`, `aaaa`, `TYPE28` → 28; undefined for anything else. */
export function typeCode(name: string): number | undefined {
  const upper = name.toUpperCase();
  const generic = /^TYPE(\d{1,5})$/.exec(upper);
  if (generic !== null) return Number(generic[1]) <= 0xffff ? Number(generic[1]) : undefined;
  return Object.entries(RecordType).find(([known]) => known === upper)?.[1];
}

/** A question that asks for no record but for an operation (RFC 6895 §3.1): transfers, TKEY, TSIG, MAILA, …; and OPT. */
export const isMetaType = (type: number): boolean =>
  type === RecordType.OPT || (type >= 128 && type < RecordType.ANY) || type === 0;
