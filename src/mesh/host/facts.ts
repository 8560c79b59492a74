import { once } from 'node:events';
import { isIPv4 } from 'node:net';
import { createInterface } from 'node:readline';
import { isDeepStrictEqual } from 'node:util';
import type { Clock } from '../../lib/clock.ts';
import { describeError } from '../../lib/errors.ts';
import { spawnProgram } from '../../lib/exec.ts';
import type { Logger } from '../../lib/logger.ts';
import { Reconciler } from '../../lib/reconciler.ts';
import type { HostFacts } from '../../model/host.ts';
import { containerBridges, hostAddresses, type NetworkInterface, type Route } from './interfaces.ts';
import { readInterfaces, readRoutes } from './ip.ts';

export interface HostWatcherOptions {
  readonly node: string;
  /** As configured; without one the default route's source address, which may change. */
  readonly nodeAddress?: string;
  readonly log: Logger;
  readonly clock: Clock;
  /** Called with the first facts and with every change. */
  readonly onChange: (facts: HostFacts) => void;
  /** Called when an interface joined or left a bridge, as every start and end of a container does. */
  readonly onPorts?: () => void;
}

/** A container's start is a burst of some ten events within a few milliseconds. */
const DEBOUNCE_MS = 20;
const SETTLED_MS = 1000;
const RESYNC_MS = 30_000;

/** Keeps `HostFacts` current: reads them whole when the kernel reports a change, and now and then without. */
export class HostWatcher {
  readonly #options: HostWatcherOptions;
  #published: HostFacts | undefined;
  #ports = '';

  constructor(options: HostWatcherOptions) {
    this.#options = options;
  }

  /** Watches until the signal aborts; the monitor it starts has ended when this resolves. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#options;
    const reader = new Reconciler({
      clock,
      reconcile: async (stop) => {
        if (this.#published !== undefined) await clock.sleep(DEBOUNCE_MS, stop);
        await this.#read();
      },
      onError: (error, retryInMs) =>
        log.warn({ error: describeError(error), retryInMs }, "cannot read this host's addresses"),
    });
    reader.trigger();
    await Promise.all([reader.run(signal), this.#resync(signal, reader), this.#monitor(signal, reader)]);
  }

  async #read(): Promise<void> {
    const { node, nodeAddress, onChange, onPorts } = this.#options;
    const interfaces = await readInterfaces();
    const ports = interfaces.flatMap(({ name, port }) => (port === undefined ? [] : `${name} ${port.bridge}`)).join();
    if (ports !== this.#ports) onPorts?.();
    this.#ports = ports;
    const facts: HostFacts = {
      node,
      nodeAddress: nodeAddress ?? (await defaultNodeAddress(interfaces)),
      bridges: containerBridges(interfaces),
      addresses: hostAddresses(interfaces),
    };
    if (isDeepStrictEqual(facts, this.#published)) return;
    this.#published = facts;
    onChange(facts);
  }

  async #resync(signal: AbortSignal, reader: Reconciler): Promise<void> {
    // The first look again is early: the monitor may not have been listening yet at the time of the first read.
    for (let ms = SETTLED_MS; !signal.aborted; ms = RESYNC_MS) {
      await this.#options.clock.sleep(ms, signal);
      reader.trigger();
    }
  }

  /** `ip monitor` prints lines for every change; what they say does not matter, only that there was one. */
  async #monitor(signal: AbortSignal, reader: Reconciler): Promise<void> {
    const { clock, log } = this.#options;
    while (!signal.aborted) {
      const child = spawnProgram('ip', ['monitor', 'link', 'address']);
      const stop = () => child.kill();
      signal.addEventListener('abort', stop, { once: true });
      createInterface({ input: child.stdout }).on('line', () => reader.trigger());
      try {
        await once(child, 'close');
      } catch (error) {
        log.warn({ error: describeError(error) }, 'cannot run ip monitor: changes of addresses are seen late');
      }
      signal.removeEventListener('abort', stop);
      await clock.sleep(1000, signal);
      // What changed while nobody listened.
      reader.trigger();
    }
  }
}

/** The address other nodes most likely reach this one by: the source address of the default route, IPv4 first. */
export async function defaultNodeAddress(interfaces?: readonly NetworkInterface[]): Promise<string> {
  const routes = [...(await readRoutes(4)), ...(await readRoutes(6))];
  return chooseNodeAddress(interfaces ?? (await readInterfaces()), routes);
}

/**
 * The source of the default route with the lowest metric, or else the first address of its interface; without a
 * default route the first address that is not loopback's; without any, 127.0.0.1. IPv4 before IPv6.
 */
export function chooseNodeAddress(interfaces: readonly NetworkInterface[], routes: readonly Route[]): string {
  const defaults = routes
    .filter(({ destination, table, type }) => destination === 'default' && table === 'main' && type === 'unicast')
    .sort((a, b) => a.metric - b.metric);
  const candidates = defaults.flatMap(({ device, source }) => [
    ...(source === undefined ? [] : [source]),
    ...hostAddresses(interfaces.filter(({ name }) => name === device)),
  ]);
  const others = hostAddresses(interfaces.filter(({ name }) => name !== 'lo'));
  return candidates.find(isIPv4) ?? candidates[0] ?? others.find(isIPv4) ?? others[0] ?? '127.0.0.1';
}
