import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { FairleadError } from '../lib/errors.ts';

/** As `engines` in package.json. */
const MINIMUM = [22, 18] as const;

/**
 * The Node to run on where this one is too old: the one that `npm start` and `npm run build` bring along in runtime/,
 * beside the folder this file is in. Undefined where this one will do. Throws `node-too-old` where there is none.
 */
export function newerNode(version: string, folder = new URL('../../runtime/', import.meta.url)): string | undefined {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  if (major > MINIMUM[0] || (major === MINIMUM[0] && minor >= MINIMUM[1])) return undefined;
  const path = fileURLToPath(new URL(`node_modules/node-linux-${process.arch}/bin/node`, folder));
  if (existsSync(path)) return path;
  throw new FairleadError('node-too-old', `Node ${version} is too old for fairlead`, {
    remedy: `install Node ${MINIMUM.join('.')} or newer, or run "npm run build" in the checkout, which brings one along`,
  });
}
