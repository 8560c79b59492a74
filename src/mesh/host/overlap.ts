import { isIPv6 } from 'node:net';
import { FairleadError } from '../../lib/errors.ts';
import { overlaps } from '../../model/vip.ts';
import { type NetworkInterface, type Route, subnetOf } from './interfaces.ts';
import { ROUTE_PROTOCOL } from './ip.ts';

/** A network this host reaches by itself, and through what: `interface eth0`, `the route through eth0`. */
export interface LocalNetwork {
  readonly network: string;
  readonly through: string;
}

/** What a VIP range must not overlap: every interface's networks and every route, without the default and our own. */
export function localNetworks(
  interfaces: readonly NetworkInterface[],
  routes: readonly Route[],
): readonly LocalNetwork[] {
  const attached = interfaces.flatMap(({ name, addresses }) =>
    addresses.map((address) => ({ network: subnetOf(address), through: `interface ${name}` })),
  );
  const routed = routes
    .filter(({ type, protocol, destination }) => {
      // Local and broadcast routes repeat the interfaces' addresses; multicast ranges hold no VIP.
      return type === 'unicast' && protocol !== ROUTE_PROTOCOL && destination !== 'default';
    })
    .map(({ destination, device }) => ({ network: destination, through: `the route through ${device}` }));
  return [...attached, ...routed];
}

/**
 * The first network that a VIP range overlaps, as an error `vip-overlap` naming the network, its interface and the
 * option to change (`mesh.vipCidr` or `mesh.vipCidr6`); undefined where the range is free. Both in CIDR form.
 */
export function vipOverlap(range: string, networks: readonly LocalNetwork[]): FairleadError | undefined {
  const found = networks.find(({ network }) => !isEverything(network) && overlaps(range, network));
  if (found === undefined) return undefined;
  const option = isIPv6(addressOf(range)) ? 'mesh.vipCidr6' : 'mesh.vipCidr';
  return new FairleadError('vip-overlap', `the VIP range ${range} overlaps ${found.network} (${found.through})`, {
    remedy: `set ${option} to a range that is used nowhere on this host`,
  });
}

const addressOf = (range: string): string => range.slice(0, range.indexOf('/'));

/** A default route by another name (`0.0.0.0/0`, `::/0`); every range would overlap it. */
const isEverything = (network: string): boolean => network.endsWith('/0');
