import { Command } from 'commander';
import { readVersion } from '../lib/version.ts';
import { register as registerAgent } from './agent.ts';
import { register as registerCheckConfig } from './check-config.ts';
import { register as registerMeshCleanup } from './mesh-cleanup.ts';
import type { Runtime } from './runtime.ts';
import { register as registerVersion } from './version.ts';

/** The whole command line. Errors, usage errors among them, are thrown, never an exit. */
export function createProgram(runtime: Runtime): Command {
  const program = new Command('fairlead')
    .description('a service network for plain Docker hosts')
    .version(readVersion(), '-V, --version')
    .showHelpAfterError('(see --help)')
    .showSuggestionAfterError()
    .exitOverride();
  registerAgent(program, runtime);
  registerCheckConfig(program, runtime);
  const mesh = program.command('mesh').description('look at, compare and repair the rules in the kernel');
  registerMeshCleanup(mesh, runtime);
  registerVersion(program, runtime);
  return program;
}
