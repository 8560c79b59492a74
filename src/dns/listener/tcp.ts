import { once } from 'node:events';
import { createServer, isIPv6, type Socket } from 'node:net';
import { describeError } from '../../lib/errors.ts';
import type { SocketAddress } from '../address.ts';
import type { ListenerOptions, OpenSocket } from './listener.ts';
import { serveConnection } from './tcp-connection.ts';

export interface TcpLimits {
  /** A connection without a complete question for so long is closed. */
  readonly idleMs: number;
  /** A connection is closed after this, however busy. */
  readonly totalMs: number;
  /** Connections of one client address. */
  readonly perClient: number;
  /** Connections of all; beyond it the oldest goes. */
  readonly total: number;
}

export const defaultTcpLimits: TcpLimits = { idleMs: 10_000, totalMs: 120_000, perClient: 64, total: 1024 };

/** Opens a TCP listener (RFC 7766). Rejects with the system's error where the address cannot be had. */
export async function openTcp({ address, port }: SocketAddress, options: ListenerOptions): Promise<OpenSocket> {
  const { log, tcpLimits: limits } = options;
  /** In order of arrival. */
  const connections = new Map<Socket, string>();
  const perClient = new Map<string, number>();
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    const client = socket.remoteAddress ?? '';
    const count = perClient.get(client) ?? 0;
    // Gone already, or more than its share.
    if (client === '' || count >= limits.perClient) {
      socket.destroy();
      return;
    }
    if (connections.size >= limits.total) connections.keys().next().value?.destroy();
    perClient.set(client, count + 1);
    connections.set(socket, client);
    socket.on('close', () => {
      connections.delete(socket);
      const left = (perClient.get(client) ?? 1) - 1;
      if (left === 0) perClient.delete(client);
      else perClient.set(client, left);
    });
    serveConnection(socket, { client, limits, respond: options.respond });
  });
  const listening = once(server, 'listening');
  server.listen({ host: address, port, ipv6Only: isIPv6(address), exclusive: true });
  await listening;
  server.on('error', (error) => log.warn({ address, error: describeError(error) }, 'DNS listener reported an error'));
  return {
    port,
    close: async () => {
      const done = once(server, 'close');
      server.close();
      for (const socket of connections.keys()) socket.destroy();
      await done;
    },
  };
}
