import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { ensurePackages } from './packages.mjs';
import { root, SetupError, say } from './program.mjs';

const MINIMUM = '22.18';
const RUNTIME = join(root, 'runtime');
const BIN = join(RUNTIME, `node_modules/node-linux-${process.arch}/bin`);

/** @param {string} version `22.18.0` */
export function isRecent(version) {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const [leastMajor = 0, leastMinor = 0] = MINIMUM.split('.').map(Number);
  return major > leastMajor || (major === leastMajor && minor >= leastMinor);
}

/**
 * Sees to it that `node` and `npm`, by these names, are recent enough for everything that is started from here on.
 * Old ones are left alone: their npm brings a Node of our own, and an npm that runs on it. That npm installs the rest,
 * because an old Node's would silently leave out optional packages (native parts of the tools) made for newer ones.
 */
export async function ensureNode() {
  if (isRecent(process.versions.node)) return;
  if (process.platform !== 'linux' || !['x64', 'arm64'].includes(process.arch)) {
    throw new SetupError(`Node ${process.versions.node} is too old, please install ${MINIMUM} or newer`);
  }
  await ensurePackages(RUNTIME, `a newer Node into runtime/, this host's is ${process.versions.node}`);
  if (!existsSync(join(BIN, 'node'))) throw new SetupError(`npm left no Node in ${BIN}; install ${MINIMUM} or newer`);
  say(`using the Node of runtime/, this host's ${process.versions.node} is older than ${MINIMUM}`);
  process.env.PATH = [BIN, join(RUNTIME, 'node_modules/.bin'), process.env.PATH].join(delimiter);
}
