import { isIPv4 } from 'node:net';
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
  readonly destination: string;
  readonly device: string;
  readonly source?: string;
}

/**
 * The routes the mesh needs: the VIP ranges, through loopback. A process of this host can address a VIP, and does so
 * from the node's address. Packets that no rule translates end there.
 */
export function neededRoutes({ facts, vipCidr, vipCidr6 }: RouteNeeds): readonly OwnRoute[] {
  // A node address that stands for this host elsewhere (behind NAT) is no source the kernel would take.
  const source = facts.addresses.find((address) => address === facts.nodeAddress && isIPv4(address));
  return [
    { family: 4, destination: vipCidr, device: 'lo', ...(source === undefined ? {} : { source }) },
    ...(vipCidr6 === undefined ? [] : [{ family: 6, destination: vipCidr6, device: 'lo' } satisfies OwnRoute]),
  ];
}

/** Those of a routing table's routes that are ours. */
export const ownRoutes = (family: Family, routes: readonly Route[]): readonly OwnRoute[] =>
  routes
    .filter(({ protocol }) => protocol === ROUTE_PROTOCOL)
    .map(({ destination, device, source }) => ({
      family,
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
  for (const route of missing) await execOk('ip', routeArguments('add', route));
  return missing.length + surplus.length;
}

export const readOwnRoutes = async (): Promise<readonly OwnRoute[]> => [
  ...ownRoutes(4, await readRoutes(4)),
  ...ownRoutes(6, await readRoutes(6)),
];

/** The arguments of `ip`. */
export function routeArguments(verb: 'add' | 'del', route: OwnRoute): readonly string[] {
  const { family, destination, device, source } = route;
  return [
    `-${family}`,
    'route',
    verb,
    destination,
    'dev',
    device,
    ...(source === undefined ? [] : ['src', source]),
    'proto',
    ROUTE_PROTOCOL,
  ];
}

const isSame = (a: OwnRoute, b: OwnRoute): boolean =>
  a.family === b.family && a.destination === b.destination && a.device === b.device && a.source === b.source;
