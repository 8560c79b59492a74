import { isIPv4, isIPv6 } from 'node:net';
import { execOk } from '../../lib/exec.ts';
import type { HostFacts } from '../../model/host.ts';
import type { Route } from './interfaces.ts';
import { type Family, ROUTE_PROTOCOL, readRoutes } from './ip.ts';

export interface RouteNeeds {
  readonly facts: HostFacts;
  readonly vipCidr: string;
  readonly vipCidr6?: string;
}

/** A route of ours, less what all of them share. */
export interface OwnRoute {
  readonly family: Family;
  readonly type: 'unicast' | 'local';
  readonly destination: string;
  readonly device: string;
  readonly source?: string;
}

/** Far behind the kernel's own route to ::1, which has metric 0. */
const LOOPBACK_METRIC = '4242';

/**
 * The routes the mesh needs.
 *
 * - The VIP ranges, through loopback: a process of this host can address a VIP, and does so from the node's address.
 *   Packets that no rule translates end there.
 * - `local ::1` on every bridge with an IPv6 subnet. It is to IPv6 what `route_localnet` is to IPv4: the answer to a
 *   connection to [::1]:<published> comes in by the bridge, and the kernel wants a loopback destination to be local *on
 *   that interface* (net/ipv6/route.c, rt6_need_strict). From the wire nobody gets in by it: ip6_rcv_core drops
 *   loopback addresses before any translation.
 */
export function neededRoutes({ facts, vipCidr, vipCidr6 }: RouteNeeds): readonly OwnRoute[] {
  // A node address that stands for this host elsewhere (behind NAT) is no source the kernel would take.
  const source = facts.addresses.find((address) => address === facts.nodeAddress && isIPv4(address));
  const vip: OwnRoute = { family: 4, type: 'unicast', destination: vipCidr, device: 'lo' };
  const loopbacks = facts.bridges
    .filter(({ gateways }) => gateways.some(isIPv6))
    .map(({ name }): OwnRoute => ({ family: 6, type: 'local', destination: '::1/128', device: name }));
  return [
    source === undefined ? vip : { ...vip, source },
    ...(vipCidr6 === undefined
      ? []
      : [{ family: 6, type: 'unicast', destination: vipCidr6, device: 'lo' } satisfies OwnRoute]),
    ...loopbacks,
  ];
}

/** Those of a routing table's routes that are ours. */
export const ownRoutes = (family: Family, routes: readonly Route[]): readonly OwnRoute[] =>
  routes
    .filter(({ protocol }) => protocol === ROUTE_PROTOCOL)
    .map(({ type, destination, device, source }) => ({
      family,
      type: type === 'local' ? 'local' : 'unicast',
      destination,
      device,
      ...(source === undefined ? {} : { source }),
    }));

/** Adds what is missing and removes what is ours and not needed. Resolves with how many it changed. */
export async function applyRoutes(wanted: readonly OwnRoute[]): Promise<number> {
  const present = await readOwnRoutes();
  const missing = wanted.filter((route) => !present.some((other) => isSame(route, other)));
  const surplus = present.filter((route) => !wanted.some((other) => isSame(route, other)));
  // Removing comes first: the same destination with another source cannot stand beside the old one.
  for (const route of surplus) await execOk('ip', routeArguments('del', route));
  for (const route of missing) await execOk('ip', routeArguments('append', route));
  return missing.length + surplus.length;
}

export const readOwnRoutes = async (): Promise<readonly OwnRoute[]> => [
  ...ownRoutes(4, await readRoutes(4)),
  ...ownRoutes(6, await readRoutes(6)),
];

/** The arguments of `ip`. `append`, because IPv6 takes a second route of equal destination and metric only so. */
export function routeArguments(verb: 'append' | 'del', route: OwnRoute): readonly string[] {
  const { family, type, destination, device, source } = route;
  return [
    `-${family}`,
    'route',
    verb,
    ...(type === 'local' ? ['local', destination, 'table', 'local', 'metric', LOOPBACK_METRIC] : [destination]),
    'dev',
    device,
    ...(source === undefined ? [] : ['src', source]),
    'proto',
    ROUTE_PROTOCOL,
  ];
}

const isSame = (a: OwnRoute, b: OwnRoute): boolean =>
  a.family === b.family &&
  a.type === b.type &&
  a.destination === b.destination &&
  a.device === b.device &&
  a.source === b.source;
