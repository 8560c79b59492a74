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
  chmodSync(join(fresh, 'main.js'), 0o755);
  rmSync(dist, { recursive: true, force: true });
  renameSync(fresh, dist);
  mkdirSync(join(root, '.cache'), { recursive: true });
  writeFileSync(stamp, wanted);
}

function sourcesHash() {
  const hash = createHash('sha256');
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
