// npm start: from a fresh clone to a running agent with the demo service; what follows `--` goes to the agent.
import { spawn } from 'node:child_process';
import { constants, homedir } from 'node:os';
import { join } from 'node:path';
import { main, root, say } from './lib/program.mjs';
import { prepareToRun } from './lib/setup.mjs';

/** One key press arrives twice: from the terminal, which signals the whole group, and from npm, which passes it on. */
const SAME_SIGNAL_MS = 500;

/** Without the bound V8's young generation grows with the machine, far beyond what an agent uses; MB. */
const YOUNG_GENERATION = '--max-semi-space-size=4';

await main(async () => {
  await prepareToRun('start');
  return await runAgent(['agent', '--demo', ...optionsForUser(), ...process.argv.slice(2)]);
});

/** Root has everything; an ordinary user gets what needs no privileges, and is told what that leaves out. */
function optionsForUser() {
  if (process.getuid?.() === 0) return [];
  const state = process.env.XDG_STATE_HOME || join(homedir(), '.local/state');
  say('you are not root: DNS answers on 127.0.0.1:5353, not on port 53 and not for containers;');
  say('the mesh is off (virtual addresses and published ports are rules of the kernel, which only root may change)');
  const options = [
    'dns.listen=127.0.0.1:5353',
    'dns.containers=false',
    'mesh.backend=off',
    `dataDir=${join(state, 'fairlead')}`,
  ];
  return options.flatMap((option) => ['--set', option]);
}

/**
 * Runs the agent until it ends; resolves with its exit code. It runs outside the terminal's process group, so that
 * signals reach it through here only, once each: a second one would end it without its good order.
 * @param {readonly string[]} args
 * @returns {Promise<number>}
 */
function runAgent(args) {
  return new Promise((resolve, reject) => {
    const agent = spawn('node', [YOUNG_GENERATION, join(root, 'dist/main.js'), ...args], {
      stdio: 'inherit',
      detached: true,
    });
    let last = { signal: '', at: 0 };
    const forward = (/** @type {NodeJS.Signals} */ signal) => {
      const now = performance.now();
      if (last.signal === signal && now - last.at < SAME_SIGNAL_MS) return;
      last = { signal, at: now };
      agent.kill(signal === 'SIGHUP' ? 'SIGTERM' : signal);
    };
    for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGUSR2'])) process.on(signal, forward);
    agent.on('error', reject);
    agent.on('close', (code, signal) => resolve(code ?? 128 + constants.signals[signal ?? 'SIGKILL']));
  });
}
