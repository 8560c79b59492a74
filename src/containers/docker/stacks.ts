import type { Container } from './container.ts';
import { stackOf } from './naming.ts';

/**
 * Address → stack, for every address of every network the containers are on, whether they run a service or not.
 * Undefined where the container is in no stack, and where containers of several share the address.
 */
export function stacksByAddress(
  containers: Iterable<Pick<Container, 'labels' | 'networks'>>,
): ReadonlyMap<string, string | undefined> {
  const stacks = new Map<string, string | undefined>();
  for (const { labels, networks } of containers) {
    const stack = stackOf(labels);
    for (const address of networks.flatMap(({ address, address6 }) => [address, address6])) {
      if (address === undefined) continue;
      stacks.set(address, stacks.has(address) && stacks.get(address) !== stack ? undefined : stack);
    }
  }
  return stacks;
}
