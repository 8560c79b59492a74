import { isIPv6 } from 'node:net';
import type { ConntrackEntry } from './entries.ts';
import { familyOf, type StaleFlows, type Target } from './stale.ts';

/** The arguments of one run of `conntrack`. */
export type Deletion = readonly string[];

/**
 * The arguments of each `conntrack -D` that removes these flows and no others. `addresses` are this host's: an
 * untranslated flow to a published port is ours only when it went to one of them.
 */
export function deletionArguments(flows: StaleFlows, addresses: readonly string[]): readonly Deletion[] {
  const { protocol, destination, translatedTo } = flows;
  const family = familyOf(destination);
  const to = ['--orig-port-dst', String(destination.port)];
  const base = ['-D', '-f', family === 6 ? 'ipv6' : 'ipv4', '-p', protocol];
  if (destination.kind === 'vip') {
    const vip = [...base, '--orig-dst', destination.address, ...to];
    if (translatedTo === 'anything') return [vip];
    return [[...vip, ...replyFrom(translatedTo === 'nothing' ? destination : translatedTo)]];
  }
  if (typeof translatedTo === 'object') {
    // Only translated ones: a client may talk to the endpoint itself, at a port of the same number.
    return [[...base, ...to, ...replyFrom(translatedTo), '--dst-nat']];
  }
  return addresses
    .filter((address) => isIPv6(address) === (family === 6))
    .map((address) => [...base, '--orig-dst', address, ...to, ...replyFrom({ address, port: destination.port })]);
}

const replyFrom = ({ address, port }: Target): readonly string[] => [
  '--reply-src',
  address,
  '--reply-port-src',
  String(port),
];

/** Does an entry belong to these flows? Answers as `deletionArguments` would select, or a little more. */
export function concerns(flows: StaleFlows, entry: ConntrackEntry): boolean {
  const { protocol, destination, translatedTo } = flows;
  if (entry.protocol !== protocol || entry.originalDestinationPort !== destination.port) return false;
  if (destination.kind === 'vip' && entry.originalDestination !== destination.address) return false;
  if (destination.kind === 'published' && isIPv6(entry.originalDestination) !== (destination.family === 6))
    return false;
  if (translatedTo === 'anything') return true;
  if (translatedTo === 'nothing') return entry.replySource === entry.originalDestination;
  return entry.replySource === translatedTo.address && entry.replySourcePort === translatedTo.port;
}
