import { once } from 'node:events';
import { lstat, unlink } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { getRequestListener } from '@hono/node-server';
import type { Clock } from '../lib/clock.ts';
import { errorCode, FairleadError } from '../lib/errors.ts';
import type { Logger } from '../lib/logger.ts';
import { adminApp } from './app.ts';
import type { AdminBackend } from './backend.ts';

export type AdminListen =
  /** `port` 0 takes a free one. */
  | { readonly kind: 'tcp'; readonly address: string; readonly port: number }
  | { readonly kind: 'unix'; readonly path: string };

export interface AdminServerOptions {
  readonly listen: AdminListen;
  /** Empty for none; the configuration demands one where others can connect. */
  readonly token: string;
  readonly backend: AdminBackend;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly heartbeatMs?: number;
  /** A client that takes nothing for so long is dropped. Longer than a heartbeat, and than any answer takes. */
  readonly stallMs?: number;
}

/** How long requests under way may take to finish when the agent stops. */
const CLOSE_GRACE_MS = 1000;

/** The admin API on a TCP address or a unix socket that only its owner may open. */
export class AdminServer {
  readonly #options: AdminServerOptions;
  readonly #server: Server;
  readonly #stopping = new AbortController();

  constructor(options: AdminServerOptions) {
    this.#options = options;
    const { listen, backend, clock, logger, token, heartbeatMs = 15_000 } = options;
    const loopback = listen.kind === 'tcp' && (listen.address === '::1' || listen.address.startsWith('127.'));
    const signal = this.#stopping.signal;
    const app = adminApp({ backend, clock, logger, token, loopback, heartbeatMs, signal });
    // A unix socket's clients may leave out the Host header; what stands for it does not matter.
    const answer = getRequestListener(app.fetch, {
      hostname: 'localhost',
      overrideGlobalObjects: false,
      errorHandler: () =>
        Response.json({ error: { code: 'bad-request', message: 'malformed request' } }, { status: 400 }),
    });
    this.#server = createServer((request, response) => void answer(request, response));
    // Node counts what the kernel took of a waiting write as activity, and destroys the socket when there is none.
    this.#server.setTimeout(options.stallMs ?? 60_000);
  }

  /**
   * Opens the address; from then on requests are answered. Returns the URL for clients.
   * Throws `admin-address-taken`, or `admin-listen` for whatever else is in the way.
   */
  async listen(): Promise<string> {
    const { listen } = this.#options;
    if (listen.kind === 'tcp') {
      await this.#open(() => this.#server.listen(listen.port, listen.address));
      const { address, port, family } = this.#server.address() as AddressInfo;
      return `http://${family === 'IPv6' ? `[${address}]` : address}:${port}`;
    }
    await removeStaleSocket(listen.path);
    await this.#open(() => {
      // Not chmod after: between the two calls anybody could connect. listen() binds before it returns.
      const before = process.umask(0o177);
      try {
        this.#server.listen(listen.path);
      } finally {
        process.umask(before);
      }
    });
    return `unix://${listen.path}`;
  }

  async #open(start: () => void): Promise<void> {
    const listening = once(this.#server, 'listening');
    start();
    try {
      await listening;
    } catch (cause) {
      const { listen } = this.#options;
      const where = listen.kind === 'tcp' ? `${listen.address} port ${listen.port}` : listen.path;
      if (errorCode(cause) === 'EADDRINUSE') throw addressTaken(where, cause);
      throw new FairleadError('admin-listen', `cannot listen on ${where} (admin.listen)`, { cause });
    }
  }

  /** Resolves after the signal aborts and every connection is gone: streams end, requests under way may finish. */
  async run(signal: AbortSignal): Promise<void> {
    if (!signal.aborted) await once(signal, 'abort');
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.#stopping.abort();
    this.#server.closeIdleConnections();
    const grace = setTimeout(() => this.#server.closeAllConnections(), CLOSE_GRACE_MS);
    await closed;
    clearTimeout(grace);
  }
}

const addressTaken = (where: string, cause?: unknown) =>
  new FairleadError('admin-address-taken', `${where} (admin.listen) is in use`, {
    remedy: 'stop the other agent, or choose another admin.listen',
    cause,
  });

/** A socket nobody listens on any more is what a killed agent leaves behind. Anything else is not ours to remove. */
async function removeStaleSocket(path: string): Promise<void> {
  try {
    const file = await lstat(path);
    if (!file.isSocket()) throw new FairleadError('admin-listen', `${path} (admin.listen) is a file, not a socket`);
    if (await answers(path)) throw addressTaken(path);
    await unlink(path);
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') throw error;
  }
}

async function answers(path: string): Promise<boolean> {
  const socket = connect(path);
  try {
    await once(socket, 'connect');
    return true;
  } catch (error) {
    if (errorCode(error) === 'ECONNREFUSED') return false;
    throw error;
  } finally {
    socket.destroy();
  }
}
