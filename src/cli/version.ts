import { release } from 'node:os';
import type { Command } from 'commander';
import { describeError } from '../lib/errors.ts';
import { execOk } from '../lib/exec.ts';
import { readVersion } from '../lib/version.ts';
import { readConfig } from './config-options.ts';
import type { Runtime } from './runtime.ts';

/** `fairlead version`: what to write in a bug report. */
export function register(program: Command, runtime: Runtime): void {
  program
    .command('version')
    .description('print the versions of fairlead, Node and the kernel, and the chosen mesh backend')
    .action(async () => {
      const { mesh } = await readConfig({ set: [] }, runtime.environment);
      const rows = [
        ['fairlead', readVersion()],
        ['node', process.versions.node],
        ['kernel', release()],
        ['backend', mesh.backend === 'off' ? 'off' : await nftables()],
      ];
      runtime.terminal.print(...rows.map(([key = '', value]) => `${key.padEnd(9)}${value}`));
    });
}

async function nftables(): Promise<string> {
  try {
    const { stdout } = await execOk('nft', ['--version'], { timeoutMs: 5000 });
    const version = /v\d[\w.]*/.exec(stdout)?.[0] ?? '';
    return process.geteuid?.() === 0 ? `nftables (nft ${version})` : 'off (nftables needs root)';
  } catch (error) {
    return `off (${describeError(error)})`;
  }
}
