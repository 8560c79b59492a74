import { release } from 'node:os';
import { AdminServer } from './admin/server.ts';
import { announceReady, settledDemo } from './agent/announce.ts';
import { AgentBackend } from './agent/backend.ts';
import { hints } from './agent/hints.ts';
import { leave } from './agent/leave.ts';
import { dnsListen } from './agent/listen.ts';
import { createSources, makeDataDir, type Sources } from './agent/sources.ts';
import { tellUnsupported } from './agent/unsupported.ts';
import type { AgentOptions, StopReason } from './cli/runtime.ts';
import type { Config } from './config/schema.ts';
import { compileAllow, defaultAllow, formatSocketAddress } from './dns/address.ts';
import { DnsServer } from './dns/server.ts';
import { HealthChecker } from './health/checker.ts';
import { createHealthMetrics } from './health/metrics.ts';
import { createProbe } from './health/probes/probe.ts';
import { systemClock } from './lib/clock.ts';
import { describeError, FairleadError } from './lib/errors.ts';
import { Latest } from './lib/latest.ts';
import { silentLogger } from './lib/logger.ts';
import { readVersion } from './lib/version.ts';
import { HostWatcher } from './mesh/host/facts.ts';
import { cleanupMesh as cleanupPlane, MeshPlane } from './mesh/plane.ts';
import { type Backend, chooseBackend, refuseOverlap } from './mesh/preflight.ts';
import { createMetrics } from './metrics/agent.ts';
import type { HostFacts } from './model/host.ts';
import type { SourceState } from './model/source.ts';
import type { ServiceTable } from './model/table.ts';
import { EmbeddedRegistry } from './registry/embedded/embedded.ts';
import { TablePublisher } from './registry/publisher.ts';

/**
 * Builds every part, wires them, and runs them until the signal aborts. Rules and registrations stay when it stops,
 * unless it is told to leave. Rejects when a part that the others cannot do without fails for good.
 */
export async function runAgent(config: Config, options: AgentOptions): Promise<void> {
  const { signal, log } = options;
  await makeDataDir(config.dataDir);
  const stop = new AbortController();
  const hostFacts = new Latest<HostFacts>();
  let agent: Agent | undefined;
  const watching = new HostWatcher({
    node: config.node.name,
    ...(config.node.address === undefined ? {} : { nodeAddress: config.node.address }),
    clock: systemClock,
    log,
    onChange: (facts) => hostFacts.set(facts),
    onPorts: () => agent?.portsChanged(),
  }).run(stop.signal);
  try {
    for await (const facts of hostFacts.watch(signal)) {
      agent = new Agent({ ...options, config, facts, hostFacts, backend: await backendFor(config) });
      await agent.run();
      break;
    }
  } finally {
    stop.abort();
    await watching;
  }
  if (config.mesh.cleanupOnExit) await cleanupPlane(config.dataDir, log);
}

/** Removes everything an agent with this `dataDir` ever added to this host's network; resolves with what that was. */
export const cleanupMesh = (config: Config): Promise<readonly string[]> => cleanupPlane(config.dataDir, silentLogger);

async function backendFor(config: Config): Promise<Backend> {
  const backend = await chooseBackend(config.mesh.backend);
  if (backend.kind !== 'off') await refuseOverlap(config.mesh);
  return backend;
}

interface AgentParts extends AgentOptions {
  readonly config: Config;
  readonly facts: HostFacts;
  readonly hostFacts: Latest<HostFacts>;
  readonly backend: Backend;
}

/** The parts of one agent and what passes between them. */
class Agent {
  readonly #parts: AgentParts;
  readonly #clock = systemClock;
  readonly #stop = new AbortController();
  readonly #tables = new Latest<ServiceTable>();
  readonly #registry: EmbeddedRegistry;
  readonly #publisher: TablePublisher;
  readonly #sources: Sources;
  readonly #checker: HealthChecker;
  readonly #dns: DnsServer;
  readonly #mesh: MeshPlane | undefined;
  readonly #api: AgentBackend;
  readonly #admin: AdminServer;
  #facts: HostFacts;
  #mayAsk: (address: string) => boolean;

  constructor(parts: AgentParts) {
    const { config, demo, log, facts, backend } = parts;
    const clock = this.#clock;
    const node = config.node.name;
    const version = readVersion();
    this.#parts = parts;
    this.#facts = facts;
    this.#mayAsk = this.#accessFor(facts);
    const metrics = createMetrics({
      build: { version, kernel: release() },
      clock,
      facts: {
        table: () => this.#tables.value,
        registry: () => this.#registry.status(),
        registrationErrors: () => this.#publisher.local.problems().length,
      },
    });
    this.#registry = new EmbeddedRegistry({
      dataDir: config.dataDir,
      node: {
        name: node,
        address: facts.nodeAddress,
        ...(config.node.zone === undefined ? {} : { zone: config.node.zone }),
      },
      version,
      clock,
      log,
    });
    this.#sources = createSources({
      config,
      demo,
      clock,
      log,
      nodeAddress: () => this.#facts.nodeAddress,
      publish: (source, state) => this.#setSource(source, state),
    });
    this.#publisher = new TablePublisher({
      node,
      registry: this.#registry,
      vipCidr: config.mesh.vipCidr,
      vipCidr6: config.mesh.vipCidr6,
      sources: this.#sources.names,
      clock,
      log,
      publish: (table, eventAt) => this.#publish(table, eventAt),
    });
    this.#checker = new HealthChecker({
      clock,
      log,
      metrics: createHealthMetrics(metrics),
      probe: createProbe((id, command, timeoutMs) => this.#execInContainer(id, command, timeoutMs)),
      onChange: (localId, health, eventAt) => this.#publisher.setHealth(localId, health, eventAt),
    });
    this.#dns = new DnsServer({
      node,
      domain: config.dns.domain,
      aliases: config.dns.aliases,
      ttl: config.dns.ttl,
      upstreams: config.dns.upstreams.map(formatSocketAddress),
      routes: Object.fromEntries(
        Object.entries(config.dns.routes).map(([domain, servers]) => [domain, servers.map(formatSocketAddress)]),
      ),
      allow: (address) => this.#mayAsk(address),
      hostAddresses: () => this.#facts.addresses,
      table: () => this.#tables.value,
      stackOf: (address) => this.#sources.docker?.stackOf(address),
      log,
      clock,
      metrics,
    });
    const { vipCidr, vipCidr6, resync: resyncMs } = config.mesh;
    const { dataDir } = config;
    if (backend.kind === 'nftables') {
      this.#mesh = new MeshPlane(facts, { dataDir, vipCidr, vipCidr6, resyncMs, clock, log, metrics });
    }
    this.#api = new AgentBackend({
      node,
      version,
      registry: this.#registry,
      publisher: this.#publisher,
      tables: this.#tables,
      docker: this.#sources.docker,
      dns: this.#dns,
      mesh: this.#mesh,
      meshOff: backend.kind === 'off' ? backend.reason : '',
      metrics: () => metrics.metrics(),
    });
    const { listen, token } = config.admin;
    this.#admin = new AdminServer({ listen, token, backend: this.#api, clock, logger: log });
  }

  portsChanged(): void {
    this.#mesh?.portsChanged();
  }

  async run(): Promise<void> {
    const { signal, log, backend } = this.#parts;
    const stop = this.#stop;
    const onSignal = () => void this.#end(signal.reason);
    signal.addEventListener('abort', onSignal, { once: true });
    // One that came while the agent was being built.
    if (signal.aborted) onSignal();
    if (backend.kind === 'off') log.warn({ reason: backend.reason }, 'the mesh is off');
    try {
      const url = await this.#admin.listen();
      log.info({ admin: url, node: this.#parts.config.node.name }, 'agent started');
      await this.#runParts(stop.signal);
    } finally {
      stop.abort();
      signal.removeEventListener('abort', onSignal);
    }
    const hasLeft = signal.reason === ('leave' satisfies StopReason);
    log.info({}, hasLeft ? 'agent stopped; it has left' : 'agent stopped; rules and registrations stay');
  }

  /** Runs every part; when one fails for good, the others are stopped and waited for. */
  async #runParts(signal: AbortSignal): Promise<void> {
    const results = await Promise.allSettled(
      [
        this.#registry.run(signal),
        this.#publisher.run(signal),
        this.#sources.run(this.#publisher, signal),
        this.#checker.run(signal),
        this.#dns.run(signal),
        this.#mesh?.run(signal),
        this.#admin.run(signal),
        this.#followHost(signal),
        this.#announce(signal),
      ].map((part) =>
        Promise.resolve(part).catch((error: unknown) => {
          this.#stop.abort();
          throw error;
        }),
      ),
    );
    for (const result of results) if (result.status === 'rejected') throw result.reason;
  }

  #setSource(source: string, state: SourceState): void {
    this.#publisher.setSource(source, tellUnsupported(state));
    // After the table and the rules that this leads to, which the publisher makes in the turn before.
    setImmediate(() => this.#checker.update(this.#publisher.local.workloads()));
  }

  #publish(table: ServiceTable, eventAt: number | undefined): void {
    this.#tables.set(table);
    this.#mesh?.update(table, eventAt);
  }

  async #execInContainer(id: string, command: readonly string[], timeoutMs: number) {
    const { docker } = this.#sources;
    if (docker === undefined) throw new FairleadError('docker-off', 'containers.docker is off');
    return await docker.exec(id, command, timeoutMs);
  }

  /** Addresses and bridges come and go: listeners, access and rules follow. */
  async #followHost(signal: AbortSignal): Promise<void> {
    const { config, hostFacts } = this.#parts;
    for await (const facts of hostFacts.watch(signal)) {
      this.#facts = facts;
      this.#mayAsk = this.#accessFor(facts);
      this.#dns.setListen(dnsListen(config.dns.listen, config.dns.containers, facts));
      this.#mesh?.setFacts(facts);
    }
  }

  #accessFor(facts: HostFacts): (address: string) => boolean {
    const { dns, mesh } = this.#parts.config;
    const ranges = [mesh.vipCidr, mesh.vipCidr6].filter((range) => range !== '');
    return compileAllow(dns.allow.length > 0 ? dns.allow : defaultAllow(facts, ranges));
  }

  /** Says once that everything works, and in the demo what to try. */
  async #announce(signal: AbortSignal): Promise<void> {
    const { config, demo, log } = this.#parts;
    await announceReady({ api: this.#api, clock: this.#clock, log }, signal);
    const table = demo ? await settledDemo(this.#tables, signal) : undefined;
    if (table === undefined) return;
    const gateways = this.#facts.bridges.flatMap((bridge) => bridge.gateways);
    process.stdout.write(hints({ config, table, gateways, mesh: this.#mesh !== undefined }).join('\n'));
  }

  /** Ends the agent: at once, or (`leave`) after its endpoints have been drained and deregistered everywhere. */
  async #end(reason: unknown): Promise<void> {
    if (reason === ('leave' satisfies StopReason)) {
      try {
        await leave({
          node: this.#parts.config.node.name,
          publisher: this.#publisher,
          mesh: this.#mesh,
          tables: this.#tables,
          clock: this.#clock,
          log: this.#parts.log,
        });
      } catch (error) {
        this.#parts.log.error({ error: describeError(error) }, 'could not leave in good order');
      }
    }
    this.#stop.abort();
  }
}
