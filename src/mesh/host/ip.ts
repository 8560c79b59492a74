import { exec, execOk } from '../../lib/exec.ts';
import { decodeInterfaces, decodeRoutes, type NetworkInterface, type Route } from './interfaces.ts';

export type Family = 4 | 6;

/** Routes of ours carry this protocol number (iproute2's `proto`), so that we find, repair and remove ours alone. */
export const ROUTE_PROTOCOL = '102';

const readJson = async (args: readonly string[]): Promise<unknown> => {
  const { stdout } = await execOk('ip', args);
  return stdout.trim() === '' ? [] : JSON.parse(stdout);
};

/** Every interface of this network namespace with its addresses, from one call and so of one moment. */
export const readInterfaces = async (): Promise<readonly NetworkInterface[]> =>
  decodeInterfaces(await readJson(['-j', '-d', 'addr', 'show']));

/** Every route of every table; none where the family is switched off. */
export async function readRoutes(family: Family): Promise<readonly Route[]> {
  const { exitCode, stdout } = await exec('ip', [`-${family}`, '-j', '-d', 'route', 'show', 'table', 'all']);
  return exitCode !== 0 || stdout.trim() === '' ? [] : decodeRoutes(JSON.parse(stdout));
}
