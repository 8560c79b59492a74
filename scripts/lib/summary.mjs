/**
 * What a test run came to.
 * @typedef {object} Summary
 * @property {number} passed
 * @property {number} failed tests that failed, hooks and files that failed before their tests, errors nobody caught
 * @property {readonly string[]} skipped full names, which hold the reason
 */

/** @type {Summary} */
export const NOTHING_RAN = { passed: 0, failed: 0, skipped: [] };

/**
 * The last line of `npm test`.
 * @param {Summary} summary
 */
export const summaryLine = ({ passed, failed, skipped }) =>
  `${passed} passed, ${failed} failed${skipped.length === 0 ? '' : `, ${skipped.length} skipped`}`;

/**
 * A run is good when something ran, nothing failed, and, in CI, nothing was left out.
 * @param {Summary} summary
 * @param {boolean} isCi
 */
export const isGood = ({ passed, failed, skipped }, isCi) =>
  passed > 0 && failed === 0 && (!isCi || skipped.length === 0);
