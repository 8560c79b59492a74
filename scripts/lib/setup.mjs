import { build } from './build.mjs';
import { ensurePackages } from './packages.mjs';
import { root } from './program.mjs';
import { ensureNode } from './runtime.mjs';
import { ensureTools } from './tools.mjs';

/** A recent Node and the npm packages: what every script needs. */
export async function prepare() {
  await ensureNode();
  await ensurePackages(root, 'npm packages');
}

/**
 * From a fresh clone to a program that can be run: Node, npm packages, system tools, dist/.
 * @param {import('./tools.mjs').Task} task
 */
export async function prepareToRun(task) {
  await prepare();
  await ensureTools(task);
  await build();
}
