import type { Netns } from './netns.ts';

/** Everything of a namespace that a program might leave changed, as text to compare. */
export async function hostState(ns: Netns): Promise<string> {
  const parts = [
    await ns.run('nft', 'list', 'ruleset'),
    ...(await Promise.all(
      ['iptables-save', 'ip6tables-save', 'iptables-legacy-save', 'ip6tables-legacy-save'].map(
        async (program) => (await ns.exec(program, [])).stdout,
      ),
    )),
    await ns.run('ip', 'rule'),
    await ns.run('ip', '-6', 'rule'),
    await ns.run('ip', 'route', 'show', 'table', 'all'),
    await ns.run('ip', '-6', 'route', 'show', 'table', 'all'),
    (await ns.exec('sysctl', ['-a', '-r', '^net\\.(ipv4|ipv6|bridge|core)\\.'])).stdout,
  ];
  return (
    parts
      // Link-local addresses become usable a second after their interface, by themselves.
      .map((part) => part.replace(/^.*\bfe80:.*\n/gm, ''))
      .map((part) =>
        part
          .replace(/^#.*$/gm, '')
          .replace(/\[\d+:\d+\]/g, '')
          .replace(/packets \d+ bytes \d+/g, ''),
      )
      .join('\n----\n')
  );
}
