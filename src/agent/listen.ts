import { formatSocketAddress } from '../dns/address.ts';
import type { HostFacts } from '../model/host.ts';

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
  return [...new Set(all.map(formatSocketAddress))];
}
