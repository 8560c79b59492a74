import { FairleadError } from '../../lib/errors.ts';

/** Octets of a name on the wire, length octets and root included (RFC 1035 §3.1). */
export const MAX_NAME = 255;
const MAX_LABEL = 63;

/** A name in presentation form, `web.shop` or `web.shop.`, as labels; the root has none. */
export const splitName = (name: string): string[] => {
  const bare = name.endsWith('.') ? name.slice(0, -1) : name;
  return bare === '' ? [] : bare.split('.');
};

/** Uncompressed wire form. Throws `dns-name` where a label or the whole is empty or too long. */
export function encodeName(name: string): Buffer {
  const parts: Buffer[] = [];
  for (const label of splitName(name)) {
    const bytes = Buffer.from(label, 'latin1');
    if (bytes.length === 0 || bytes.length > MAX_LABEL) throw invalidName(name);
    parts.push(Buffer.of(bytes.length), bytes);
  }
  const encoded = Buffer.concat([...parts, Buffer.of(0)]);
  if (encoded.length > MAX_NAME) throw invalidName(name);
  return encoded;
}

/** Can this be a name at all? For names made of others' parts, which may add up to too much. */
export const isName = (name: string): boolean => {
  const labels = splitName(name);
  const fits = labels.every((label) => label.length > 0 && label.length <= MAX_LABEL);
  return fits && labels.reduce((octets, label) => octets + 1 + label.length, 1) <= MAX_NAME;
};

const invalidName = (name: string) =>
  new FairleadError('dns-name', `${JSON.stringify(name.slice(0, 300))} is not a domain name`, {
    remedy: 'use labels of 1 to 63 octets, at most 255 in all',
  });

/**
 * Labels of the uncompressed name at `offset`, in lower case, one character an octet.
 * For a name that `parseQuery` has accepted.
 */
export function readLabels(packet: Buffer, offset: number): string[] {
  const labels: string[] = [];
  for (let at = offset; ; ) {
    const length = packet[at] ?? 0;
    if (length === 0) return labels;
    labels.push(asciiLower(packet.toString('latin1', at + 1, at + 1 + length)));
    at += 1 + length;
  }
}

/** DNS compares ASCII letters only (RFC 4343); `toLowerCase` would fold `À` as well. */
export const asciiLower = (text: string): string => text.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());

/** Is `labels` the zone itself or below it? */
export const isWithin = (labels: readonly string[], zone: readonly string[]): boolean => {
  const offset = labels.length - zone.length;
  return offset >= 0 && zone.every((label, index) => labels[offset + index] === label);
};
