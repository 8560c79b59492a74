import { readdir, readFile, readlink } from 'node:fs/promises';
import { basename } from 'node:path';
import type { SocketAddress } from './address.ts';
import { hexOfAddress } from './zone/reverse.ts';

/** A process that has a port. */
export interface PortHolder {
  readonly pid: number;
  readonly name: string;
}

/**
 * Who has a UDP or TCP port that could not be bound, as /proc tells; undefined where it does not
 * (another user's process seen without privileges, another network namespace's).
 */
export async function findPortHolder({ address, port }: SocketAddress): Promise<PortHolder | undefined> {
  const inodes = new Set(
    (await Promise.all(['udp', 'udp6', 'tcp', 'tcp6'].map((table) => inodesIn(table, address, port)))).flat(),
  );
  if (inodes.size === 0) return undefined;
  for (const pid of await readdir('/proc')) {
    if (/^\d+$/.test(pid) && Number(pid) !== process.pid && (await holdsSocket(pid, inodes))) {
      return { pid: Number(pid), name: await programOf(pid) };
    }
  }
  return undefined;
}

/** Its file's name: `comm` is cut to 15 characters, and is whatever the program calls its thread. */
async function programOf(pid: string): Promise<string> {
  const path = await readlink(`/proc/${pid}/exe`).catch(() => '');
  return basename(path.replace(/ \(deleted\)$/, ''));
}

/** Inodes of bound (UDP) or listening (TCP) sockets at this port whose address is this one or any. */
async function inodesIn(table: string, address: string, port: number): Promise<string[]> {
  const text = await readFile(`/proc/self/net/${table}`, 'utf8').catch(() => '');
  const hexPort = port.toString(16).toUpperCase().padStart(4, '0');
  const wanted = kernelHex(address);
  return text
    .split('\n')
    .slice(1)
    .flatMap((line) => {
      const [, local = '', , state = '', , , , , , inode = ''] = line.trim().split(/\s+/);
      const [host = '', localPort] = local.split(':');
      const open = table.startsWith('udp') || state === TCP_LISTEN;
      return open && localPort === hexPort && (host === wanted || /^0+$/.test(host)) ? [inode] : [];
    });
}

const TCP_LISTEN = '0A';

/** An address as /proc/net prints it: 32-bit words, each in this machine's (little-endian) order. */
function kernelHex(address: string): string {
  const words = Buffer.from(hexOfAddress(address) ?? '', 'hex').swap32();
  return words.toString('hex').toUpperCase();
}

async function holdsSocket(pid: string, inodes: ReadonlySet<string>): Promise<boolean> {
  // Processes come and go while this looks; one that is gone holds nothing.
  const descriptors = await readdir(`/proc/${pid}/fd`).catch(() => []);
  const links = await Promise.all(descriptors.map((fd) => readlink(`/proc/${pid}/fd/${fd}`).catch(() => '')));
  return links.some((link) => link.startsWith('socket:[') && inodes.has(link.slice('socket:['.length, -1)));
}
