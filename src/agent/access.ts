import { BlockList, isIPv4, isIPv6 } from 'node:net';
import type { HostFacts } from '../model/host.ts';

/**
 * Who may ask the DNS server. As configured; by default the host itself, its containers and the VIP range:
 * never an open resolver.
 */
export function dnsAccess(allow: readonly string[], vipRanges: readonly string[], facts: HostFacts): BlockList {
  const list = new BlockList();
  const own = facts.bridges.flatMap((bridge) => bridge.subnets);
  const networks = allow.length > 0 ? allow : ['127.0.0.0/8', '::1/128', ...vipRanges, ...own, ...facts.addresses];
  for (const network of networks) {
    const [address = '', prefix] = network.split('/');
    if (!isIPv4(address) && !isIPv6(address)) continue;
    const bits = isIPv4(address) ? 32 : 128;
    list.addSubnet(address, prefix === undefined ? bits : Number(prefix), isIPv4(address) ? 'ipv4' : 'ipv6');
  }
  return list;
}

/** Is the address in the list? An IPv4 client of a dual-stack socket counts as what it is. */
export function inList(list: BlockList, address: string): boolean {
  const plain = address.startsWith('::ffff:') && isIPv4(address.slice(7)) ? address.slice(7) : address;
  return list.check(plain, isIPv4(plain) ? 'ipv4' : 'ipv6');
}

/** Where DNS listens: as configured, and on the gateways of the container bridges at the same port as the first. */
export function dnsListen(
  configured: readonly { readonly address: string; readonly port: number }[],
  containers: boolean,
  facts: HostFacts,
): readonly string[] {
  const port = configured[0]?.port ?? 53;
  const everywhere = configured.some(({ address }) => address === '0.0.0.0' || address === '::');
  const gateways = containers && !everywhere ? facts.bridges.flatMap((bridge) => bridge.gateways) : [];
  // A link-local gateway would need a zone to listen on, and no container asks it.
  const usable = gateways.filter((address) => !address.toLowerCase().startsWith('fe80:'));
  const all = [...configured, ...usable.map((address) => ({ address, port }))];
  return [
    ...new Set(all.map(({ address, port: at }) => (isIPv6(address) ? `[${address}]:${at}` : `${address}:${at}`))),
  ];
}
