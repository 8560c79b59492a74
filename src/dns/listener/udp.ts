import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { isIPv6 } from 'node:net';
import { describeError } from '../../lib/errors.ts';
import type { SocketAddress } from '../address.ts';
import { literal } from '../forward/exchange.ts';
import type { ListenerOptions, OpenSocket } from './listener.ts';

/** Room for bursts while a table is being swapped, octets; the kernel gives what `net.core.rmem_max` allows. */
const RECEIVE_BUFFER = 4 * 1024 * 1024;

/** Opens a UDP socket that answers every datagram. Rejects with the system's error where the address cannot be had. */
export async function openUdp(
  { address, port }: SocketAddress,
  { respond, log }: ListenerOptions,
): Promise<OpenSocket> {
  const type = isIPv6(address) ? 'udp6' : 'udp4';
  const socket = createSocket({ type, ipv6Only: type === 'udp6', recvBufferSize: RECEIVE_BUFFER, lookup: literal });
  let closed = false;
  const listening = once(socket, 'listening');
  socket.bind({ address, port, exclusive: true });
  try {
    await listening;
  } catch (error) {
    socket.close();
    throw error;
  }
  socket.on('error', (error) => log.warn({ address, error: describeError(error) }, 'DNS socket reported an error'));
  socket.on('message', (packet, client) => {
    respond({ packet, client: client.address, transport: 'udp' }, (bytes) => {
      if (bytes !== undefined && !closed) send(socket, bytes, client);
    });
  });
  return {
    port: socket.address().port,
    close: async () => {
      closed = true;
      const done = once(socket, 'close');
      socket.close();
      await done;
    },
  };
}

function send(socket: Socket, bytes: Buffer, client: SocketAddress): void {
  // A client that is gone, or a full send buffer: the datagram is lost as any may be, and the client asks again.
  socket.send(bytes, 0, bytes.length, client.port, client.address, () => {});
}
