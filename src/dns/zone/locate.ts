import type { Service } from '../../model/table.ts';
import { canonicalAddress } from '../address.ts';
import { encodeName, isWithin, splitName } from '../wire/name.ts';
import { consulTarget } from './consul-name.ts';
import { addressOfHex, addressOfReverse, PRIVATE_REVERSE_ZONES } from './reverse.ts';
import { serviceTarget } from './service-name.ts';
import type { TableIndex } from './table-index.ts';
import type { Located, Target } from './target.ts';

/** A zone this server speaks for, and how names in it are read. */
interface Zone {
  readonly labels: readonly string[];
  readonly apex: string;
  readonly reads: 'fairlead' | 'consul-service' | 'consul-node' | 'consul-addr';
}

export interface Zones {
  /** `fairlead.internal`, lower case, without a dot at the end. */
  readonly domain: string;
  /** Deepest first. */
  readonly all: readonly Zone[];
}

/**
 * `dns.domain` and `dns.aliases`; throws `dns-name` where one is no name, or too long. An alias `service.<X>` is read as Consul does, and brings
 * `node.<X>` and `addr.<X>`.
 */
export function compileZones(domain: string, aliases: readonly string[]): Zones {
  for (const name of [domain, ...aliases]) {
    // Room for the longest name made below it, an IPv6 address.
    encodeName(`${'0'.repeat(32)}.addr.${name}`);
  }
  const own = zone(domain, 'fairlead');
  const others = aliases.flatMap((alias): Zone[] => {
    const [first, ...rest] = splitName(alias.toLowerCase());
    if (first !== 'service') return [zone(alias, 'fairlead')];
    const parent = rest.join('.');
    return [
      zone(alias, 'consul-service'),
      zone(`node.${parent}`, 'consul-node'),
      zone(`addr.${parent}`, 'consul-addr'),
    ];
  });
  return { domain: own.apex, all: [own, ...others].sort((a, b) => b.labels.length - a.labels.length) };
}

function zone(name: string, reads: Zone['reads']): Zone {
  const labels = splitName(name.toLowerCase());
  return { labels, apex: labels.join('.'), reads };
}

/**
 * Whether a name is ours, and what it stands for. Undefined: not ours, others may know it.
 * `labels` in lower case; `stack` is the client's.
 */
export function locate(
  zones: Zones,
  index: TableIndex,
  labels: readonly string[],
  stack: string | undefined,
): Located | undefined {
  // No name of ours has a dot within a label, but joined labels would look as if.
  const dirty = labels.some((label) => label.includes('.'));
  const own = zones.all.find((candidate) => isWithin(labels, candidate.labels));
  if (own !== undefined) {
    const relative = labels.slice(0, labels.length - own.labels.length);
    return { apex: own.apex, target: dirty ? undefined : targetIn(own, index, relative, stack) };
  }
  if (labels.at(-1) === 'arpa') return locateReverse(zones, index, labels);
  return locateShort(zones, index, { labels, stack, dirty });
}

function targetIn(
  own: Zone,
  index: TableIndex,
  relative: readonly string[],
  stack: string | undefined,
): Target | undefined {
  if (relative.length === 0) return { kind: 'apex' };
  switch (own.reads) {
    case 'fairlead':
      return serviceTarget(index.table, relative, stack) ?? infrastructureTarget(index, relative);
    case 'consul-service':
      return consulTarget(index.table, relative, stack);
    case 'consul-node':
      return nodeTarget(index, relative);
    case 'consul-addr':
      return addressTarget(relative);
  }
}

/** Names beside the services': `n1.node`, `<hex>.addr`, `ns`, and what only has names below it. */
function infrastructureTarget(index: TableIndex, relative: readonly string[]): Target | undefined {
  const last = relative.at(-1) ?? '';
  if (relative.length === 1) {
    if (last === 'ns') return { kind: 'nameserver', nodes: [...index.table.nodes.values()] };
    return last === 'node' || last === 'addr' || index.hasStack(last) ? { kind: 'empty' } : undefined;
  }
  if (last === 'node') return nodeTarget(index, relative.slice(0, -1));
  return last === 'addr' ? addressTarget(relative.slice(0, -1)) : undefined;
}

function nodeTarget(index: TableIndex, labels: readonly string[]): Target | undefined {
  const node = index.node(labels.join('.'));
  return node === undefined ? undefined : { kind: 'node', node };
}

function addressTarget(labels: readonly string[]): Target | undefined {
  const address = labels.length === 1 ? addressOfHex(labels[0] ?? '') : undefined;
  return address === undefined ? undefined : { kind: 'address', address };
}

/** Is there a zone of ours below this name? Then it exists, whatever else is known of it. */
export const isAboveZone = (zones: Zones, labels: readonly string[]): boolean =>
  zones.all.some((candidate) => isWithin(candidate.labels, labels));

interface ShortName {
  readonly labels: readonly string[];
  readonly stack: string | undefined;
  readonly dirty: boolean;
}

/** A name without domain: one label is never anybody else's; more are, unless they name a service. */
function locateShort(zones: Zones, index: TableIndex, { labels, stack, dirty }: ShortName): Located | undefined {
  if (labels.length === 0 || labels.at(-1) === 'localhost') return undefined;
  const target = dirty ? undefined : serviceTarget(index.table, labels, stack);
  if (target !== undefined) return { apex: '', target };
  if (labels.length > 1) return undefined;
  // `web.shop` exists, so `shop` does: an NXDOMAIN would deny everything below it (RFC 8020).
  const above = index.hasStack(labels[0] ?? '') || isAboveZone(zones, labels);
  return { apex: '', target: above ? { kind: 'empty' } : undefined };
}

/** Only addresses we know; the rest of a private zone is a special name, the rest of the world others'. */
function locateReverse({ domain }: Zones, index: TableIndex, labels: readonly string[]): Located | undefined {
  const address = addressOfReverse(labels);
  const target = address === undefined ? undefined : pointerTarget(domain, index, address);
  if (target === undefined) return undefined;
  const parent = PRIVATE_REVERSE_ZONES.find((candidate) => isWithin(labels, candidate)) ?? labels;
  return { apex: parent.join('.'), target };
}

function pointerTarget(domain: string, index: TableIndex, text: string): Target | undefined {
  const address = canonicalAddress(text);
  const service = index.serviceOfVip(address);
  if (service !== undefined) return { kind: 'pointer', names: [fullName(service, domain)], stable: true };
  const node = index.nodeAt(address);
  if (node !== undefined)
    return { kind: 'pointer', names: [`${node.name.toLowerCase()}.node.${domain}`], stable: true };
  const owners = index.servicesAt(address);
  if (owners.length === 0) return undefined;
  // `tasks.` and not the service's own name: its addresses include this one, as reverse look-ups are checked.
  return { kind: 'pointer', names: owners.map((owner) => `tasks.${fullName(owner, domain)}`), stable: false };
}

const fullName = (service: Service, domain: string): string => `${service.key}.${domain}`;
