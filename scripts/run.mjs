// npm run build | check | bench, each from a fresh clone.
import { join } from 'node:path';
import { build } from './lib/build.mjs';
import { main, root, run, SetupError } from './lib/program.mjs';
import { prepare, prepareToRun } from './lib/setup.mjs';

const [task, ...args] = process.argv.slice(2);

/** @param {string} path */
const tool = (path) => join(root, 'node_modules', path);

/** Of all the tools, biome alone does not know NO_COLOR. */
const plain = process.stdout.isTTY ? [] : ['--colors=off'];

/** Each is run whatever the others found. */
const CHECKS = [
  { name: 'format and lint', args: [tool('@biomejs/biome/bin/biome'), 'ci', '--error-on-warnings', ...plain] },
  {
    name: 'promises',
    args: [tool('oxlint/bin/oxlint'), '--type-aware', '--deny-warnings', 'src', 'test', 'bench', 'scripts'],
  },
  { name: 'types', args: [tool('typescript/bin/tsc'), '-p', 'tsconfig.json'] },
  { name: 'import rules', args: ['scripts/check-imports.mjs'] },
  { name: 'unused code', args: [tool('knip/bin/knip.js')] },
];

async function check() {
  const failed = [];
  for (const { name, args } of CHECKS) {
    const code = await run('node', args);
    if (code !== 0) failed.push(name);
    console.log(`${code === 0 ? 'ok' : 'FAILED'}: ${name}`);
  }
  return failed.length === 0 ? 0 : 1;
}

await main(async () => {
  switch (task) {
    case 'build':
      await prepare();
      await build();
      return 0;
    case 'check':
      await prepare();
      return await check();
    case 'bench':
      await prepareToRun('bench');
      return await run('node', ['bench/main.ts', ...args]);
    default:
      throw new SetupError('usage: node scripts/run.mjs build | check | bench [AREA …]');
  }
});
