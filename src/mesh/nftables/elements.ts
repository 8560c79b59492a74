import type { ContainerBridge } from '../../model/host.ts';
import { overlaps, parseVipRange } from '../../model/vip.ts';
import type { Family, Listener, MeshPlan, ServicePlan } from '../plan.ts';
import { balancerName, type SetName } from './structure.ts';

/** One element of a set (no value) or map, as `nft` writes it: addresses, numbers and our own names only. */
export interface Element {
  readonly family: Family;
  readonly set: SetName;
  readonly key: string;
  readonly value?: string;
}

/** Elements of one table: set → key → value, the empty text in a set. */
export type Contents = ReadonlyMap<SetName, ReadonlyMap<string, string>>;

export function serviceElements({ vips, listeners }: ServicePlan): readonly Element[] {
  const elements: Element[] = vips.map(({ family, address }) => ({ family, set: 'vips', key: address }));
  for (const listener of listeners) pushListener(elements, listener);
  return elements;
}

function pushListener(elements: Element[], { family, vip, protocol, port, action }: Listener): void {
  const at = vip === undefined ? 'published' : 'vip';
  const key = vip === undefined ? `${protocol} . ${port}` : `${vip} . ${protocol} . ${port}`;
  const set = vip === undefined ? 'published' : 'services';
  if (action.kind !== 'balance') {
    elements.push({ family, set, key, value: action.kind === 'drop' ? 'drop' : 'goto refuse' });
    return;
  }
  const { slots, spread } = action;
  elements.push({ family, set, key, value: `goto ${balancerName(at, spread, slots.length)}` });
  const slotSet = vip === undefined ? 'published_slots' : 'slots';
  slots.forEach((target, slot) => {
    elements.push({ family, set: slotSet, key: `${key} . ${slot}`, value: `${target.address} . ${target.port}` });
  });
}

/** What belongs to no service: ranges and the networks behind bridges. */
export function hostElements({ ranges, bridges }: Pick<MeshPlan, 'ranges' | 'bridges'>): readonly Element[] {
  return [
    ...[ranges.vipCidr, ranges.vipCidr6].flatMap((cidr): readonly Element[] => {
      const network = networkOf(cidr);
      return network === undefined ? [] : [{ family: network.family, set: 'vip_range', key: network.text }];
    }),
    ...bridges.flatMap(({ name }) =>
      // nft takes no other names, and one odd bridge must not keep all rules from being loaded.
      /^[\w.:@-]+$/.test(name) ? FAMILIES.map((family) => ({ family, set: 'bridges', key: `"${name}"` }) as const) : [],
    ),
    ...FAMILIES.flatMap((family) => neighbours(family, bridges)),
  ];
}

const FAMILIES = [4, 6] as const;

/**
 * Pairs of networks whose hosts reach each other without this host: those of one bridge. The kernel takes no two
 * overlapping pairs, and subnets may be nested (a second address with /32 on a bridge): the larger speaks for both.
 */
function neighbours(family: Family, bridges: readonly ContainerBridge[]): readonly Element[] {
  const pairs = bridges.flatMap(({ subnets }) => {
    const own = subnets.filter((subnet) => networkOf(subnet)?.family === family);
    return own.flatMap((from) => own.map((to) => ({ from, to, length: lengthOf(from) + lengthOf(to) })));
  });
  const kept: typeof pairs = [];
  for (const pair of pairs.sort((a, b) => a.length - b.length)) {
    if (!kept.some(({ from, to }) => overlaps(from, pair.from) && overlaps(to, pair.to))) kept.push(pair);
  }
  return kept.map(({ from, to }) => ({
    family,
    set: 'neighbours',
    key: `${networkOf(from)?.text} . ${networkOf(to)?.text}`,
  }));
}

const lengthOf = (subnet: string): number => Number(subnet.split('/')[1]);

/** A network in `nft`'s spelling, which leaves the prefix of a single address out. */
function networkOf(cidr: string): { readonly family: Family; readonly text: string } | undefined {
  const range = parseVipRange(cidr);
  return range === undefined ? undefined : { family: range.family, text: range.cidr.replace(/\/(32|128)$/, '') };
}

/**
 * Everything a plan puts into one family's table. Where two services claim one key, which the registry's claims rule
 * out, the first in key order has it, on every node.
 */
export function contentsOf(plan: MeshPlan, family: Family): Contents {
  const contents = new Map<SetName, Map<string, string>>();
  const put = (element: Element) => {
    if (element.family !== family) return;
    const { set, key, value = '' } = element;
    const elements = contents.get(set) ?? new Map<string, string>();
    contents.set(set, elements);
    if (!elements.has(key)) elements.set(key, value);
  };
  for (const element of hostElements(plan)) put(element);
  for (const [, service] of [...plan.services].sort(([a], [b]) => (a < b ? -1 : 1))) {
    for (const element of serviceElements(service)) put(element);
  }
  return contents;
}
