// npm test: from a fresh clone to the result of every suite; what follows `--` goes to vitest (`--project unit`).
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { main, root, run } from './lib/program.mjs';
import { prepareToRun } from './lib/setup.mjs';
import { isGood, NOTHING_RAN, summaryLine } from './lib/summary.mjs';

await main(async () => {
  await prepareToRun('test');
  const { code, summary } = await runSuites(process.argv.slice(2));
  for (const name of summary.skipped) console.log(`skipped: ${name}`);
  if (summary.skipped.length > 0 && isCi()) console.log('in CI a skipped test fails the run');
  console.log(summaryLine(summary));
  return code === 0 && !isGood(summary, isCi()) ? 1 : code;
});

/** @param {readonly string[]} args */
async function runSuites(args) {
  const folder = mkdtempSync(join(tmpdir(), 'fairlead-test-'));
  const file = join(folder, 'summary.json');
  try {
    const vitest = join(root, 'node_modules/vitest/vitest.mjs');
    const reporters = ['--reporter=default', `--reporter=${join(root, 'scripts/reporter.mjs')}`];
    const code = await run('node', [vitest, 'run', ...reporters, ...args], {
      env: { ...process.env, FAIRLEAD_TEST_SUMMARY: file },
    });
    return { code, summary: readSummary(file) };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/**
 * @param {string} file
 * @returns {import('./lib/summary.mjs').Summary}
 */
function readSummary(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch {
    // The runner ended before its end; it said why, and its exit code tells.
    return NOTHING_RAN;
  }
}

function isCi() {
  return ['true', '1'].includes(process.env.CI ?? '');
}
