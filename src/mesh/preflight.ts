import { describeError, errorCode } from '../lib/errors.ts';
import { readInterfaces, readRoutes } from './host/ip.ts';
import { localNetworks, vipOverlap } from './host/overlap.ts';
import { Nft } from './nftables/nft.ts';
import type { VipRanges } from './plan.ts';

/** Which backend this host gets; `off` with the reason, for people. */
export type Backend = { readonly kind: 'nftables' } | { readonly kind: 'off'; readonly reason: string };

/**
 * Finds what may program this host. Where the configuration leaves the choice (`auto`), a host that has or allows
 * nothing gets `off`, so that names and health still work; asked for by name, that is an error
 * (`nft-missing`, `mesh-not-permitted`).
 */
export async function chooseBackend(wanted: string): Promise<Backend> {
  if (wanted === 'off') return { kind: 'off', reason: 'mesh.backend is off' };
  try {
    await new Nft(['nft']).list(4);
    return { kind: 'nftables' };
  } catch (error) {
    const hopeless = ['nft-missing', 'mesh-not-permitted'].includes(errorCode(error) ?? '');
    if (!hopeless || wanted !== 'auto') throw error;
    return { kind: 'off', reason: `virtual addresses and published ports do not work: ${describeError(error)}` };
  }
}

/**
 * Throws `vip-overlap` where a VIP range overlaps a network of this host: its unallocated addresses are dropped, and
 * that must not hit anybody else's. To be asked before the first rule.
 */
export async function refuseOverlap({ vipCidr, vipCidr6 }: VipRanges): Promise<void> {
  const [interfaces, routes4, routes6] = await Promise.all([readInterfaces(), readRoutes(4), readRoutes(6)]);
  const networks = localNetworks(interfaces, [...routes4, ...routes6]);
  for (const range of [vipCidr, vipCidr6]) {
    const overlap = range === '' ? undefined : vipOverlap(range, networks);
    if (overlap !== undefined) throw overlap;
  }
}
