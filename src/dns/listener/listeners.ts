import type { Clock } from '../../lib/clock.ts';
import { describeError, errorCode, FairleadError } from '../../lib/errors.ts';
import { Reconciler } from '../../lib/reconciler.ts';
import type { Problem } from '../../model/service.ts';
import { parseSocketAddress, type SocketAddress } from '../address.ts';
import { findPortHolder } from '../port-holder.ts';
import { type Listener, type ListenerOptions, openListener } from './listener.ts';

const DNS_PORT = 53;

/**
 * Listeners on a changing list of addresses. One that cannot be had (taken, or not there yet) is a problem, tried
 * again with backoff, and none of the others' business.
 */
export class Listeners {
  readonly #options: ListenerOptions & { readonly clock: Clock };
  readonly #reconciler: Reconciler;
  #wanted: readonly string[] = [];
  readonly #open = new Map<string, Listener>();
  readonly #problems = new Map<string, Problem>();

  constructor(options: ListenerOptions & { readonly clock: Clock }) {
    this.#options = options;
    this.#reconciler = new Reconciler({
      clock: options.clock,
      reconcile: () => this.#reconcile(),
      onError: (error, retryInMs) =>
        options.log.debug({ error: describeError(error), retryInMs }, 'DNS listeners incomplete'),
      retry: { minMs: 500, maxMs: 5000 },
    });
  }

  /** Addresses as `127.0.0.1:53`, `[::1]:53`. Takes effect while `run` runs. */
  set(addresses: readonly string[]): void {
    this.#wanted = [...new Set(addresses)];
    this.#reconciler.trigger();
  }

  /** Opens and closes as wanted until the signal aborts, then closes all. */
  async run(signal: AbortSignal): Promise<void> {
    this.#reconciler.trigger();
    await this.#reconciler.run(signal);
    await this.#closeExcept([]);
  }

  listening(): string[] {
    return [...this.#open.values()].map((listener) => listener.address);
  }

  problems(): Problem[] {
    return [...this.#problems.values()];
  }

  async #reconcile(): Promise<void> {
    const wanted = this.#wanted;
    await this.#closeExcept(wanted);
    await Promise.all(wanted.filter((address) => !this.#open.has(address)).map((address) => this.#tryOpen(address)));
    if (this.#problems.size > 0) {
      throw new FairleadError('dns-listen', `no DNS on ${[...this.#problems.keys()].join(', ')}`);
    }
  }

  async #tryOpen(text: string): Promise<void> {
    const { log } = this.#options;
    try {
      const address = parseSocketAddress(text, DNS_PORT);
      try {
        const listener = await openListener(address, this.#options);
        this.#open.set(text, listener);
        this.#problems.delete(text);
        log.info({ address: listener.address }, 'DNS listens');
      } catch (error) {
        throw await explainBindError(address, error);
      }
    } catch (error) {
      const message = describeError(error);
      if (this.#problems.get(text)?.message !== message)
        log.warn({ address: text, error: message }, 'DNS cannot listen');
      this.#problems.set(text, { code: 'dns-listen', subject: `dns ${text}`, message });
    }
  }

  async #closeExcept(wanted: readonly string[]): Promise<void> {
    for (const address of this.#problems.keys()) if (!wanted.includes(address)) this.#problems.delete(address);
    const unwanted = [...this.#open].filter(([address]) => !wanted.includes(address));
    for (const [address] of unwanted) this.#open.delete(address);
    await Promise.all(unwanted.map(([, listener]) => listener.close()));
  }
}

/** What keeps the address from us, in an operator's words. */
async function explainBindError(address: SocketAddress, error: unknown): Promise<unknown> {
  const port = `port ${address.port}`;
  switch (errorCode(error)) {
    case 'EADDRINUSE': {
      const holder = await findPortHolder(address);
      const who = holder === undefined ? 'another program' : `${holder.name} (pid ${holder.pid})`;
      const remedy = `stop it, or choose another address in dns.listen; it is tried again until then`;
      return new FairleadError('dns-listen', `${port} of ${address.address} is taken by ${who}`, { remedy });
    }
    case 'EADDRNOTAVAIL':
      return new FairleadError('dns-listen', `this host has no address ${address.address}`, {
        remedy: 'it is tried again until it has',
      });
    case 'EACCES':
      return new FairleadError('dns-listen', `${port} of ${address.address} needs privileges`, {
        remedy: 'run as root or with CAP_NET_BIND_SERVICE, or choose a port from 1024 in dns.listen',
      });
    default:
      return error;
  }
}
