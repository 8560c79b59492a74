import { describeError, FairleadError } from '../../lib/errors.ts';
import type { Logger } from '../../lib/logger.ts';
import type { HostFacts } from '../../model/host.ts';
import { DockerFirewall } from './docker-firewall.ts';
import { HairpinPorts } from './hairpin.ts';
import { Parameters } from './parameters.ts';
import { HostPreparation, type PreparationOptions } from './preparation.ts';
import { applyRoutes } from './routes.ts';
import { Sysctl } from './sysctl.ts';

export interface MeshHostOptions extends PreparationOptions {
  readonly log: Logger;
}

/** Everything the mesh changes on this host besides its own rules. Apply the rules first: they guard 127/8. */
export class MeshHost {
  readonly #log: Logger;
  readonly #preparation: HostPreparation;
  readonly #firewall = new DockerFirewall();
  #warnings: readonly string[] = [];

  constructor(options: MeshHostOptions) {
    this.#log = options.log;
    this.#preparation = new HostPreparation(options);
  }

  /** How often something of ours had been changed by others and was put right: part of `fairlead_mesh_drift_total`. */
  get repairs(): number {
    return this.#preparation.repairs + this.#firewall.repairs;
  }

  /**
   * Level-triggered: call with every change of the facts and at every resync. A part that fails does not keep the
   * other from being done. Throws the failure (`vip-overlap`, `sysctl-denied`, `host-journal`, `docker-firewall`, …).
   */
  async apply(facts: HostFacts): Promise<void> {
    const before = this.repairs;
    const results = [await outcome(() => this.#preparation.apply(facts)), await outcome(() => this.#firewall.apply())];
    if (this.repairs > before) {
      this.#log.warn({ repairs: this.repairs - before }, 'put right what others had changed on this host');
    }
    const failures = results.filter((result) => result !== undefined);
    this.#warnings = failures.map(describeError);
    throwAll(failures);
  }

  /** What is wrong as of the last `apply`, for people. Empty when all is well. */
  check(): readonly string[] {
    return this.#warnings;
  }

  /** Puts the host back as it was before the first `apply` of any process. */
  async cleanup(): Promise<void> {
    throwAll(
      [await outcome(() => this.#firewall.undo()), await outcome(() => this.#preparation.undo())].filter(
        (result) => result !== undefined,
      ),
    );
  }
}

export interface CleanupOptions {
  readonly dataDir: string;
  readonly log: Logger;
  /**
   * Removes the rules; resolves with what it removed. Called after the kernel parameters are back, and only then:
   * the rules guard against what `route_localnet` lets in.
   */
  readonly removeRules: () => Promise<readonly string[]>;
}

/**
 * Removes everything that any agent with this `dataDir` left in this host's network; needs no agent.
 * What fails does not keep the rest from being undone; throws what failed at the end. Resolves with what it undid.
 */
export async function cleanupHost({ dataDir, log, removeRules }: CleanupOptions): Promise<readonly string[]> {
  const parameters = new Parameters(new Sysctl(), dataDir);
  const removed: string[] = [];
  const failures = [
    await outcome(async () => {
      removed.push(...Array(await new DockerFirewall().undo()).fill('a rule in DOCKER-USER'));
    }),
    await outcome(async () => {
      removed.push(...Array(await applyRoutes([])).fill('the route of a VIP range'));
    }),
    await outcome(async () => {
      removed.push(...(await parameters.undo()).map((path) => `the value of ${path.replaceAll('/', '.')}`));
      removed.push(...(await removeRules()));
    }),
    await outcome(async () => {
      const ports = await new HairpinPorts(new Sysctl(), dataDir).undo();
      removed.push(...ports.map((port) => `hairpin mode of ${port}`));
    }),
  ].filter((result) => result !== undefined);
  throwAll(failures);
  log.info({ dataDir, removed }, 'the host is as it was');
  return removed;
}

/** What a step threw, or undefined. */
async function outcome(step: () => Promise<unknown>): Promise<unknown> {
  try {
    await step();
    return undefined;
  } catch (error) {
    return error;
  }
}

function throwAll(failures: readonly unknown[]): void {
  if (failures.length === 0) return;
  if (failures.length === 1) throw failures[0];
  throw new FairleadError('host', failures.map(describeError).join('; '), { cause: failures[0] });
}
