import { createSocket } from 'node:dgram';
import { connect, isIPv6 } from 'node:net';
import { FairleadError } from '../../lib/errors.ts';
import { formatSocketAddress, type SocketAddress } from '../address.ts';

export interface Exchange {
  readonly server: SocketAddress;
  readonly message: Buffer;
  /** Is this the answer to the message? Whatever is not is waited past: a forger must not end the wait either. */
  readonly isAnswer: (response: Buffer) => boolean;
  readonly timeoutMs: number;
}

const timeoutError = ({ server, timeoutMs }: Exchange) =>
  new FairleadError(
    'upstream-timeout',
    `${formatSocketAddress(server)} did not answer within ${Math.round(timeoutMs)} ms`,
  );

const failure = ({ server }: Exchange, cause: unknown) =>
  new FairleadError('upstream-failed', `${formatSocketAddress(server)} could not be asked`, { cause });

/**
 * One question over UDP, on a socket of its own: the kernel gives it a random port, and being connected it takes
 * nothing from any other address (RFC 5452). Rejects with `upstream-timeout` or `upstream-failed`.
 */
export async function exchangeUdp(exchange: Exchange): Promise<Buffer> {
  const { server, message, isAnswer, timeoutMs } = exchange;
  const socket = createSocket({ type: isIPv6(server.address) ? 'udp6' : 'udp4', lookup: literal });
  const answered = Promise.withResolvers<Buffer>();
  const timer = setTimeout(() => answered.reject(timeoutError(exchange)), timeoutMs);
  socket.on('error', (cause) => answered.reject(failure(exchange, cause)));
  socket.on('message', (response) => {
    if (isAnswer(response)) answered.resolve(response);
  });
  // Typed without its argument: a connect that fails at once, for want of a route, calls back and emits no `error`.
  const onConnect = (error?: Error) => {
    if (error === undefined) socket.send(message);
    else answered.reject(failure(exchange, error));
  };
  socket.connect(server.port, server.address, onConnect);
  try {
    return await answered.promise;
  } finally {
    clearTimeout(timer);
    socket.close();
  }
}

/** One question over TCP, on a connection of its own. Rejects as `exchangeUdp` does. */
export async function exchangeTcp(exchange: Exchange): Promise<Buffer> {
  const { server, message, isAnswer, timeoutMs } = exchange;
  const socket = connect({ host: server.address, port: server.port, noDelay: true });
  const answered = Promise.withResolvers<Buffer>();
  const timer = setTimeout(() => answered.reject(timeoutError(exchange)), timeoutMs);
  const length = Buffer.alloc(2);
  length.writeUInt16BE(message.length);
  let received: Buffer = Buffer.alloc(0);
  socket.on('error', (cause) => answered.reject(failure(exchange, cause)));
  socket.on('close', () => answered.reject(failure(exchange, new Error('it closed the connection'))));
  socket.on('data', (chunk) => {
    received = Buffer.concat([received, chunk]);
    const end = received.length < 2 ? Number.POSITIVE_INFINITY : 2 + received.readUInt16BE(0);
    if (received.length < end) return;
    const response = received.subarray(2, end);
    if (isAnswer(response)) answered.resolve(response);
    else answered.reject(failure(exchange, new Error('it answered another question')));
  });
  socket.write(Buffer.concat([length, message]));
  try {
    return await answered.promise;
  } finally {
    clearTimeout(timer);
    socket.destroy();
  }
}

/** Addresses need no look-up; Node's own would go through the thread pool's queue. */
export const literal = (
  address: string,
  _options: unknown,
  callback: (error: NodeJS.ErrnoException | null, address: string, family: number) => void,
): void => callback(null, address, isIPv6(address) ? 6 : 4);
