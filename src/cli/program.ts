import { Command } from 'commander';
import { readVersion } from '../lib/version.ts';
import { register as registerAgent } from './agent.ts';
import { register as registerCheckConfig } from './check-config.ts';
import type { ClientContext } from './client-command.ts';
import { registerDrain, registerUndrain } from './drain.ts';
import { register as registerMesh } from './mesh.ts';
import { register as registerMeshCleanup } from './mesh-cleanup.ts';
import { register as registerNodes } from './nodes.ts';
import { register as registerResolve } from './resolve.ts';
import type { Runtime } from './runtime.ts';
import { register as registerServices } from './services.ts';
import { register as registerStatus } from './status.ts';
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
  registerClientCommands(program, runtime);
  const mesh = program.command('mesh').description('look at, compare, repair and remove the rules in the kernel');
  registerMesh(mesh, runtime);
  registerMeshCleanup(mesh, runtime);
  registerVersion(program, runtime);
  return program;
}

/** The commands that ask a running agent. */
function registerClientCommands(program: Command, context: ClientContext): void {
  registerStatus(program, context);
  registerServices(program, context);
  registerNodes(program, context);
  registerResolve(program, context);
  registerDrain(program, context);
  registerUndrain(program, context);
}
