import { writeFileSync } from 'node:fs';

/** @import { TestModule, TestSuite } from 'vitest/node' */
/** @import { SerializedError } from 'vitest' */
/** @import { Summary } from './lib/summary.mjs' */

/** Hands the run's counts to scripts/test.mjs, which prints them when everything else has been said. */
// biome-ignore lint/style/noDefaultExport: the shape vitest asks for
export default class SummaryReporter {
  /** Names the pattern of `-t` left out are no skipped tests. */
  #isFiltered = false;

  /** @param {import('vitest/node').Vitest} vitest */
  onInit(vitest) {
    this.#isFiltered = vitest.config.testNamePattern !== undefined;
  }

  /**
   * @param {readonly TestModule[]} modules
   * @param {readonly SerializedError[]} unhandledErrors
   */
  onTestRunEnd(modules, unhandledErrors) {
    const file = process.env.FAIRLEAD_TEST_SUMMARY;
    if (file === undefined) return;
    const summary = summarise(modules, unhandledErrors.length);
    writeFileSync(file, JSON.stringify(this.#isFiltered ? { ...summary, skipped: [] } : summary));
  }
}

/**
 * @param {readonly TestModule[]} modules
 * @param {number} unhandled
 * @returns {Summary}
 */
function summarise(modules, unhandled) {
  const tests = modules.flatMap((module) => [...module.children.allTests()]);
  const inState = (/** @type {string} */ state) => tests.filter((test) => test.result().state === state);
  const suites = modules.flatMap((module) => [module, ...module.children.allSuites()]);
  const broken = suites.filter((suite) => suite.errors().length > 0);
  return {
    passed: inState('passed').length,
    failed: inState('failed').length + inState('pending').length + broken.length + unhandled,
    skipped: inState('skipped')
      .filter((test) => !isBroken(test.parent))
      .map((test) => `${test.module.relativeModuleId} > ${test.fullName}${noteOf(test)}`),
  };
}

/**
 * Tests below a failed hook did not run because of it, and it is counted.
 * @param {TestModule | TestSuite} suite
 * @returns {boolean}
 */
const isBroken = (suite) => suite.errors().length > 0 || (suite.type === 'suite' && isBroken(suite.parent));

/** @param {import('vitest/node').TestCase} test */
function noteOf(test) {
  const result = test.result();
  return result.state === 'skipped' && result.note !== undefined ? ` (${result.note})` : '';
}
