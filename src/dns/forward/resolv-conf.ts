import { isIP } from 'node:net';

/** Addresses of the `nameserver` lines of a resolv.conf(5), in order, each once; a link-local one keeps its zone. */
export function parseResolvConf(text: string): string[] {
  const servers = text.split('\n').flatMap((line) => {
    const [keyword, address = ''] = line.trim().split(/\s+/);
    return keyword === 'nameserver' && isIP(address) !== 0 ? [address] : [];
  });
  return [...new Set(servers)];
}
