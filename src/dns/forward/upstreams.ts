import { readFile, stat } from 'node:fs/promises';
import type { Clock } from '../../lib/clock.ts';
import { describeError } from '../../lib/errors.ts';
import type { Logger } from '../../lib/logger.ts';
import type { Problem } from '../../model/service.ts';
import {
  canonicalAddress,
  formatSocketAddress,
  isLoopback,
  parseSocketAddress,
  type SocketAddress,
} from '../address.ts';
import { asciiLower, isWithin, splitName } from '../wire/name.ts';
import { parseResolvConf } from './resolv-conf.ts';

export interface UpstreamsOptions {
  /** `dns.upstreams`; empty: the `nameserver`s of `resolvConf`. */
  readonly configured: readonly string[];
  /** `dns.routes`: domain → servers. */
  readonly routes: Readonly<Record<string, readonly string[]>>;
  readonly resolvConf: string;
  /** Where this server listens itself: never asked, that would be a loop. */
  readonly own: () => readonly string[];
  /** This host's addresses: what listens everywhere listens there. */
  readonly hostAddresses: () => readonly string[];
  readonly clock: Clock;
  readonly log: Logger;
  readonly pollMs?: number;
}

export interface Servers {
  readonly servers: readonly SocketAddress[];
  /** By a route, not the default. */
  readonly routed: boolean;
}

interface Route {
  readonly labels: readonly string[];
  readonly servers: readonly SocketAddress[];
}

const DNS_PORT = 53;

/** Which servers know a name. */
export class Upstreams {
  readonly #options: UpstreamsOptions;
  readonly #configured: readonly SocketAddress[];
  /** Deepest first. */
  readonly #routes: readonly Route[];
  #fromFile: readonly SocketAddress[] = [];
  #version = '';

  /** Throws `address` where a server is not one. */
  constructor(options: UpstreamsOptions) {
    this.#options = options;
    const parse = (servers: readonly string[]) => servers.map((server) => parseSocketAddress(server, DNS_PORT));
    this.#configured = parse(options.configured);
    this.#routes = Object.entries(options.routes)
      .map(([domain, servers]) => ({ labels: splitName(asciiLower(domain)), servers: parse(servers) }))
      .sort((a, b) => b.labels.length - a.labels.length);
  }

  /** Follows the file until the signal aborts. By look, not by event: it is often a link whose target is replaced. */
  async run(signal: AbortSignal): Promise<void> {
    if (this.#configured.length > 0) return;
    while (!signal.aborted) {
      await this.load();
      await this.#options.clock.sleep(this.#options.pollMs ?? 2000, signal);
    }
  }

  /** Reads the file where it changed. One that is gone or empty keeps the servers known so far. */
  async load(): Promise<void> {
    const { resolvConf, log } = this.#options;
    try {
      const { ino, mtimeMs, size } = await stat(resolvConf);
      const version = `${ino} ${mtimeMs} ${size}`;
      if (version === this.#version) return;
      const servers = parseResolvConf(await readFile(resolvConf, 'utf8'));
      this.#version = version;
      if (servers.length === 0) return;
      this.#fromFile = servers.map((address) => ({ address, port: DNS_PORT }));
      log.info({ file: resolvConf, servers }, 'upstream DNS servers read');
    } catch (error) {
      log.debug({ file: resolvConf, error: describeError(error) }, 'upstream DNS servers could not be read');
    }
  }

  serversFor(labels: readonly string[]): Servers {
    const route = this.#routeFor(labels);
    return { servers: this.#withoutOwn(route?.servers ?? this.#default()), routed: route !== undefined };
  }

  /** Labels of the longest route that covers the name. */
  routeDepth(labels: readonly string[]): number | undefined {
    return this.#routeFor(labels)?.labels.length;
  }

  problems(): Problem[] {
    if (this.#withoutOwn(this.#default()).length > 0) return [];
    const message = `no upstream DNS server is known, other names get SERVFAIL: set dns.upstreams, or a nameserver other than this one in ${this.#options.resolvConf}`;
    return [{ code: 'dns-upstreams', subject: 'dns', message }];
  }

  #default(): readonly SocketAddress[] {
    return this.#configured.length > 0 ? this.#configured : this.#fromFile;
  }

  #routeFor(labels: readonly string[]): Route | undefined {
    return this.#routes.find((route) => isWithin(labels, route.labels));
  }

  #withoutOwn(servers: readonly SocketAddress[]): readonly SocketAddress[] {
    const own = new Set(this.#options.own());
    return servers.filter(({ address, port }) => {
      const canonical = LOCALHOST.get(address) ?? canonicalAddress(address);
      const isHere = isLoopback(canonical) || this.#options.hostAddresses().includes(canonical);
      const everywhere = own.has(`0.0.0.0:${port}`) || own.has(`[::]:${port}`);
      return !(isHere && everywhere) && !own.has(formatSocketAddress({ address: canonical, port }));
    });
  }
}

/** Connecting to "any address" leads to this host (`ip(7)`). */
const LOCALHOST = new Map([
  ['0.0.0.0', '127.0.0.1'],
  ['::', '::1'],
]);
