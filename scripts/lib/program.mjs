import { spawn } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The checkout. */
export const root = fileURLToPath(new URL('../..', import.meta.url));

/** Tells the user what is being done for them. @param {string} line */
export const say = (line) => console.log(`fairlead: ${line}`);

/** Something the user has to settle; shown without a stack. */
export class SetupError extends Error {}

/** Administration tools are in `sbin`, which an ordinary user's PATH leaves out. */
const SYSTEM_PATHS = ['/usr/local/sbin', '/usr/sbin', '/sbin'];

/** @param {string} command */
export function isInstalled(command) {
  const folders = [...(process.env.PATH ?? '').split(delimiter), ...SYSTEM_PATHS];
  return folders.some((folder) => {
    try {
      accessSync(join(folder, command), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/**
 * Runs a program in the checkout, its output shown as it comes; resolves with its exit code.
 * @param {string} program
 * @param {readonly string[]} args
 * @param {{ cwd?: string, env?: NodeJS.ProcessEnv }} [options]
 * @returns {Promise<number>}
 */
export function run(program, args, { cwd = root, env = process.env } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { cwd, env, stdio: 'inherit' });
    child.on('error', reject);
    child.on('close', (code) => resolve(code ?? 1));
  });
}

/**
 * Runs a program and keeps what it says; for what only matters when it fails.
 * @param {string} program
 * @param {readonly string[]} args
 * @param {NodeJS.ProcessEnv} [env]
 * @returns {Promise<{ code: number, output: string }>}
 */
export function capture(program, args, env = process.env) {
  return new Promise((resolve) => {
    const child = spawn(program, args, { cwd: root, env, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    const keep = (/** @type {Buffer} */ chunk) => {
      output += chunk;
    };
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    child.on('error', (error) => resolve({ code: 127, output: error.message }));
    child.on('close', (code) => resolve({ code: code ?? 1, output }));
  });
}

/**
 * Runs a script's main function: its result is the exit code, and what the user has to settle is told in one line.
 * @param {() => Promise<number>} body
 */
export async function main(body) {
  // Some of the tools colour whatever they write, and a log is no terminal.
  if (!process.stdout.isTTY) process.env.NO_COLOR ??= '1';
  try {
    process.exitCode = await body();
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    console.error(`fairlead: ${error.message}`);
    process.exitCode = 1;
  }
}
