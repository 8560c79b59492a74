import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { run, SetupError, say } from './program.mjs';

/**
 * Installs what a folder's package-lock.json says, unless that is what its node_modules already holds.
 * @param {string} folder
 * @param {string} purpose
 */
export async function ensurePackages(folder, purpose) {
  const stamp = join(folder, 'node_modules/.fairlead-lock');
  const wanted = lockHash(folder);
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return;
  say(`installing ${purpose}`);
  // A user's own npm settings must not leave out what the build needs. No package here needs an install script.
  const included = ['--include=prod', '--include=dev', '--include=optional'];
  const quiet = ['--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'];
  const code = await run('npm', ['ci', '--engine-strict=false', ...included, ...quiet], { cwd: folder });
  if (code !== 0) throw new SetupError(`npm ci failed in ${folder}; it needs to reach the package registry`);
  writeFileSync(stamp, wanted);
}

/** @param {string} folder */
function lockHash(folder) {
  const lock = readFileSync(join(folder, 'package-lock.json'));
  return createHash('sha256').update(`${process.platform} ${process.arch}\n`).update(lock).digest('hex');
}
