import type { Config } from '../config/schema.ts';
import type { Logger } from '../lib/logger.ts';
import type { ClientContext } from './client-command.ts';

/** Why the agent's signal aborted (its `reason`): `leave` also drains and deregisters. */
export type StopReason = 'stop' | 'leave';

export interface AgentOptions {
  readonly demo: boolean;
  /** Aborts with a `StopReason`. */
  readonly signal: AbortSignal;
  readonly log: Logger;
}

/** What all commands need of the process and of the agent, which is loaded only by those that run it. */
export interface Runtime extends ClientContext {
  /**
   * Makes the process the agent's: signals stop it (`onTerminate` is what SIGTERM and SIGINT mean; SIGUSR2 always means
   * `leave`), and an unexpected fault is logged before it ends the process.
   */
  readonly takeOver: (onTerminate: StopReason, log: Logger) => AbortSignal;
  readonly runAgent: (config: Config, options: AgentOptions) => Promise<void>;
  /** Removes everything the mesh ever added to this host; resolves with what it removed, a line each. */
  readonly cleanupMesh: (config: Config) => Promise<readonly string[]>;
}
