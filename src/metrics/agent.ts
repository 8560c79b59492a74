import { collectDefaultMetrics, Gauge, Registry } from 'prom-client';
import type { Clock } from '../lib/clock.ts';
import type { EndpointState } from '../model/service.ts';
import type { ServiceTable } from '../model/table.ts';

/** What the agent's own gauges show, asked for only when somebody scrapes. */
export interface AgentFacts {
  /** The current table; undefined until the first. */
  table(): ServiceTable | undefined;
  registry(): {
    readonly connected: boolean;
    /** Milliseconds since the epoch; undefined before the first full picture. */
    readonly lastSync?: number;
  };
  /** Containers and entries that could not be registered, now. */
  registrationErrors(): number;
}

export interface AgentBuild {
  readonly version: string;
  /** As `uname -r`. */
  readonly kernel: string;
}

export interface AgentMetricsOptions {
  readonly build: AgentBuild;
  readonly facts: AgentFacts;
  readonly clock: Clock;
}

/**
 * How often the event loop's delay is sampled. prom-client's default of 10 ms alone costs an idle agent 0.5 % of a
 * CPU; this costs 0.1 %. The samples include the interval, so `nodejs_eventloop_lag_*` of an idle agent is 0.1 s.
 */
const EVENT_LOOP_SAMPLE_MS = 100;

/** The agent's metrics registry, with Node's process metrics and the gauges every agent has. Each part adds its own. */
export function createMetrics({ build, facts, clock }: AgentMetricsOptions): Registry {
  const register = new Registry();
  collectDefaultMetrics({ register, eventLoopMonitoringPrecision: EVENT_LOOP_SAMPLE_MS });
  const registers = [register];
  new Gauge({
    name: 'fairlead_build_info',
    help: 'What is running; always 1.',
    labelNames: ['version', 'node', 'kernel'],
    registers,
  }).set({ version: build.version, node: process.version, kernel: build.kernel }, 1);
  const gauge = (name: string, help: string, value: () => number) =>
    new Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(value());
      },
    });
  gauge('fairlead_services', 'Services in the table.', () => facts.table()?.services.size ?? 0);
  gauge('fairlead_table_revision', 'Revision of the table; 0 before the first.', () => facts.table()?.revision ?? 0);
  gauge('fairlead_registry_connected', '1 while the registry answers.', () => (facts.registry().connected ? 1 : 0));
  gauge(
    'fairlead_registry_staleness_seconds',
    'For how long the picture of the services has not been known to be current: 0 while the registry answers, infinite before the first picture.',
    () => staleness(facts.registry(), clock.now()),
  );
  gauge(
    'fairlead_registration_errors',
    'Containers and entries that could not be registered, for instance because of a label.',
    () => facts.registrationErrors(),
  );
  new Gauge({
    name: 'fairlead_endpoints',
    help: 'Endpoints in the table, by state.',
    labelNames: ['state'],
    registers,
    collect() {
      for (const [state, count] of countByState(facts.table())) this.set({ state }, count);
    },
  });
  return register;
}

function staleness({ connected, lastSync }: ReturnType<AgentFacts['registry']>, now: number): number {
  if (lastSync === undefined) return Number.POSITIVE_INFINITY;
  // The wall clock may have been set back since.
  return connected ? 0 : Math.max(0, (now - lastSync) / 1000);
}

/** Every state, also those without an endpoint: a series that vanishes cannot be alerted on. */
function countByState(table: ServiceTable | undefined): ReadonlyMap<EndpointState, number> {
  const counts = new Map<EndpointState, number>([
    ['passing', 0],
    ['warning', 0],
    ['critical', 0],
    ['draining', 0],
  ]);
  for (const service of table?.services.values() ?? []) {
    for (const { state } of service.endpoints) counts.set(state, (counts.get(state) ?? 0) + 1);
  }
  return counts;
}
