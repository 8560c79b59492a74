import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { errorCode, FairleadError } from '../../lib/errors.ts';

/** Kernel parameters of this network namespace, as files below /proc/sys. */
export class Sysctl {
  readonly #root: string;

  constructor(root = '/proc/sys') {
    this.#root = root;
  }

  /** The value without its newline; undefined where the kernel has no such parameter (any more). */
  async read(path: string): Promise<string | undefined> {
    try {
      return (await readFile(join(this.#root, path), 'utf8')).trim();
    } catch (error) {
      if (errorCode(error) === 'ENOENT') return undefined;
      throw error;
    }
  }

  /** Throws `sysctl-denied` where the kernel or a read-only /proc/sys refuses. */
  async write(path: string, value: string): Promise<void> {
    try {
      // Not created where it is missing: `r+` fails with ENOENT, which a vanished interface may cause at any time.
      await writeFile(join(this.#root, path), value, { flag: 'r+' });
    } catch (cause) {
      if (errorCode(cause) === 'ENOENT') return;
      throw new FairleadError('sysctl-denied', `cannot set ${path.replaceAll('/', '.')} to ${value}`, {
        cause,
        remedy: 'run as root with a writable /proc/sys, or set it yourself',
      });
    }
  }

  /** Names of the interfaces with parameters of a family, `all` and `default` among them. */
  async interfaces(family: 'ipv4' | 'ipv6'): Promise<readonly string[]> {
    try {
      return await readdir(join(this.#root, 'net', family, 'conf'));
    } catch (error) {
      if (errorCode(error) === 'ENOENT') return [];
      throw error;
    }
  }

  /** Which boot of the kernel this is. */
  async bootId(): Promise<string> {
    return (await this.read('kernel/random/boot_id')) ?? '';
  }
}

/**
 * What else the kernel changes when a parameter is set, as far as setting the old value back would not restore it.
 * Switching forwarding sets every interface's own switch, and for IPv4 `all.accept_redirects` to the opposite
 * (Documentation/networking/ip-sysctl.rst: "This variable is special").
 */
export async function disturbedBy(sysctl: Sysctl, path: string, previous: string): Promise<Record<string, string>> {
  const family = FORWARDING.get(path);
  if (family === undefined) return {};
  const restored = new Map<string, string>();
  for (const name of await sysctl.interfaces(family)) {
    if (name !== 'all') restored.set(`net/${family}/conf/${name}/forwarding`, previous);
  }
  if (family === 'ipv4') restored.set('net/ipv4/conf/all/accept_redirects', previous === '0' ? '1' : '0');
  const disturbed: Record<string, string> = {};
  for (const [other, byItself] of restored) {
    const value = await sysctl.read(other);
    if (value !== undefined && value !== byItself) disturbed[other] = value;
  }
  return disturbed;
}

export const IPV4_FORWARDING = 'net/ipv4/ip_forward';
export const IPV6_FORWARDING = 'net/ipv6/conf/all/forwarding';

const FORWARDING = new Map<string, 'ipv4' | 'ipv6'>([
  [IPV4_FORWARDING, 'ipv4'],
  [IPV6_FORWARDING, 'ipv6'],
]);
