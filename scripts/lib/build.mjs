import { createHash } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { root, run, SetupError, say } from './program.mjs';
import { INTERPRETER } from './runtime.mjs';

const CONFIGURATION = ['tsconfig.json', 'tsconfig.build.json', 'package-lock.json'];

/** Compiles src/ to dist/, unless dist/ is what these sources give. */
export async function build() {
  const dist = join(root, 'dist');
  const stamp = join(root, '.cache/built');
  const wanted = sourcesHash();
  if (existsSync(join(dist, 'main.js')) && existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return;
  say('building');
  // Beside, then swapped in: an agent that runs from dist/ never sees half of it, and a failed build changes nothing.
  const fresh = join(root, '.cache/dist');
  rmSync(fresh, { recursive: true, force: true });
  const tsc = join(root, 'node_modules/typescript/bin/tsc');
  const code = await run('node', [tsc, '-p', 'tsconfig.build.json', '--noEmitOnError', '--outDir', fresh]);
  if (code !== 0) throw new SetupError('the sources do not compile');
  makeCommand(join(fresh, 'main.js'));
  rmSync(dist, { recursive: true, force: true });
  renameSync(fresh, dist);
  mkdirSync(join(root, '.cache'), { recursive: true });
  writeFileSync(stamp, wanted);
}

/**
 * `npx fairlead` and `dist/main.js` run on the Node that is recent enough, whichever the host's own is.
 * @param {string} file
 */
function makeCommand(file) {
  const source = readFileSync(file, 'utf8');
  writeFileSync(file, source.replace(/^#!.*/, `#!${INTERPRETER}`));
  chmodSync(file, 0o755);
}

function sourcesHash() {
  const hash = createHash('sha256').update(`${INTERPRETER}\n`);
  for (const path of [...CONFIGURATION, ...filesBelow('src')]) {
    hash.update(`${path}\n`).update(readFileSync(join(root, path)));
  }
  return hash.digest('hex');
}

/**
 * @param {string} folder
 * @returns {string[]}
 */
function filesBelow(folder) {
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = `${folder}/${entry.name}`;
    return entry.isDirectory() ? filesBelow(path) : [path];
  });
}
