import type { Registry } from 'prom-client';
import type { Clock } from '../lib/clock.ts';
import { describeError } from '../lib/errors.ts';
import type { Logger } from '../lib/logger.ts';
import type { Problem } from '../model/service.ts';
import type { ServiceTable } from '../model/table.ts';
import { type ChainOptions, handle } from './chain.ts';
import { type Explanation, explain } from './explain.ts';
import { Forwarder } from './forward/forwarder.ts';
import { Upstreams } from './forward/upstreams.ts';
import type { Reply, Request } from './handler.ts';
import { Listeners } from './listener/listeners.ts';
import { defaultTcpLimits, type TcpLimits } from './listener/tcp.ts';
import { LocalNames } from './local.ts';
import { DnsMetrics } from './metrics.ts';
import { SpecialNames } from './special.ts';
import type { Ttls } from './zone/answer.ts';
import { compileZones } from './zone/locate.ts';

export interface DnsServerOptions {
  /** This node's name: its own containers come first where addresses of several nodes overlap. */
  readonly node: string;
  /** `fairlead.internal`. */
  readonly domain: string;
  /** Further domains for the same names; `service.<X>` is read as Consul does. */
  readonly aliases: readonly string[];
  readonly ttl: Ttls;
  /** Servers for other names; empty: those of `resolvConf`. */
  readonly upstreams: readonly string[];
  /** Domain → servers that know it. */
  readonly routes: Readonly<Record<string, readonly string[]>>;
  /** May this client address ask? */
  readonly allow: (address: string) => boolean;
  /** The current table; undefined before the first, when every name is SERVFAIL. */
  readonly table: () => ServiceTable | undefined;
  /** The stack of a client that may be no endpoint; asked first, then the table. */
  readonly stackOf?: (address: string) => string | undefined;
  readonly log: Logger;
  readonly clock: Clock;
  readonly metrics: Registry;
  /** This host's own addresses, so that it never asks itself. */
  readonly hostAddresses?: () => readonly string[];
  readonly resolvConf?: string;
  readonly tcpLimits?: TcpLimits;
}

/** DNS for this host and its containers: names of ours from the current table, all others forwarded. */
export class DnsServer {
  readonly #chain: ChainOptions;
  readonly #listeners: Listeners;
  readonly #upstreams: Upstreams;
  readonly #metrics: DnsMetrics;
  readonly #clock: Clock;
  readonly #log: Logger;

  /** Throws `address` where an upstream server is not one, `dns-name` where a domain is not. */
  constructor(options: DnsServerOptions) {
    const { node, ttl, table, stackOf, clock, log, allow } = options;
    this.#clock = clock;
    this.#log = log;
    this.#metrics = new DnsMetrics(options.metrics);
    this.#listeners = new Listeners({
      clock,
      log,
      tcpLimits: options.tcpLimits ?? defaultTcpLimits,
      respond: (request, reply) => this.#respond(request, reply),
    });
    const upstreams = new Upstreams({
      configured: options.upstreams,
      routes: options.routes,
      resolvConf: options.resolvConf ?? '/etc/resolv.conf',
      own: () => this.listening(),
      hostAddresses: options.hostAddresses ?? (() => []),
      clock,
      log,
    });
    this.#upstreams = upstreams;
    const zones = compileZones(options.domain, options.aliases);
    const local = new LocalNames({ node, ttl, table, zones, ...(stackOf === undefined ? {} : { stackOf }) });
    this.#chain = {
      allow,
      local,
      special: new SpecialNames({
        zones,
        context: () => local.context(),
        routeDepth: (labels) => upstreams.routeDepth(labels),
      }),
      forwarder: new Forwarder({ upstreams, clock, log, metrics: this.#metrics }),
    };
  }

  /** Addresses to listen on, UDP and TCP: `127.0.0.1:53`, `[::1]:53`. May change at any time, also before `run`. */
  setListen(addresses: readonly string[]): void {
    this.#listeners.set(addresses);
  }

  /** Serves until the signal aborts; then every socket is closed. */
  async run(signal: AbortSignal): Promise<void> {
    await Promise.all([this.#upstreams.run(signal), this.#listeners.run(signal)]);
  }

  /** Where it listens now; a port 0 asked for is shown as the kernel chose it. */
  listening(): readonly string[] {
    return this.#listeners.listening();
  }

  problems(): readonly Problem[] {
    return [...this.#listeners.problems(), ...this.#upstreams.problems()];
  }

  /**
   * What a client at `from` (default: this host) is answered, and why. Asks upstream servers where the chain would.
   * Throws `dns-name`, `dns-type`.
   */
  resolve(name: string, type: string, from = '127.0.0.1'): Promise<Explanation> {
    return explain(this.#chain, { name, type, from });
  }

  #respond(request: Request, send: (bytes: Buffer | undefined) => void): void {
    const started = this.#clock.monotonic();
    const finish = (reply: Reply | undefined) => {
      send(reply?.bytes);
      if (reply !== undefined) this.#metrics.answered(reply, request.transport, this.#clock.monotonic() - started);
    };
    const failed = (error: unknown) => {
      this.#log.error({ error: describeError(error) }, 'DNS question could not be answered');
      send(undefined);
    };
    // Whatever a client or an upstream server sends must not end the process, even where this server is wrong.
    try {
      const reply = handle(this.#chain, request);
      if (reply instanceof Promise) reply.then(finish).catch(failed);
      else finish(reply);
    } catch (error) {
      failed(error);
    }
  }
}
