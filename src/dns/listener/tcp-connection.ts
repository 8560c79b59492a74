import type { Socket } from 'node:net';
import { HEADER } from '../wire/query.ts';
import type { Respond } from './listener.ts';
import type { TcpLimits } from './tcp.ts';

/** No honest question is longer; so a slow client holds little memory. */
const MAX_QUESTION = 4096;
/** Questions of one connection waiting for upstream servers; further ones wait in the kernel. */
const MAX_PENDING = 64;
/** Answers the client has not taken yet, octets. */
const MAX_UNREAD = 256 * 1024;

export interface ConnectionOptions {
  readonly client: string;
  readonly limits: TcpLimits;
  readonly respond: Respond;
}

/**
 * Serves one client's questions, each behind two octets of length (RFC 1035 §4.2.2), in whatever pieces they arrive.
 * Pipelined questions are answered as answers come, in any order (RFC 7766 §6.2.1.1).
 */
export function serveConnection(socket: Socket, { client, limits, respond }: ConnectionOptions): void {
  let unread: Buffer = Buffer.alloc(0);
  let pending = 0;
  let ended = false;
  let serving = false;

  const idle = setTimeout(() => (pending > 0 ? idle.refresh() : socket.destroy()), limits.idleMs);
  const total = setTimeout(() => socket.destroy(), limits.totalMs);

  const isBusy = () => pending >= MAX_PENDING || socket.writableLength > MAX_UNREAD;

  const reply = (bytes: Buffer | undefined) => {
    pending--;
    if (socket.destroyed) return;
    if (bytes !== undefined) socket.write(framed(bytes));
    serve();
  };

  /** Answers the complete questions read so far, as many as may be pending; ends with a client that has ended. */
  const serve = () => {
    // A reply that is ready at once comes back here from within the loop.
    if (serving) return;
    serving = true;
    while (!(isBusy() || socket.destroyed)) {
      const packet = takeQuestion();
      if (packet === undefined) break;
      idle.refresh();
      pending++;
      respond({ packet, client, transport: 'tcp' }, reply);
    }
    serving = false;
    if (isBusy()) socket.pause();
    else socket.resume();
    if (ended && pending === 0 && !isBusy()) socket.end();
  };

  const takeQuestion = (): Buffer | undefined => {
    if (unread.length < 2) return undefined;
    const end = 2 + unread.readUInt16BE(0);
    if (end < 2 + HEADER || end > 2 + MAX_QUESTION) socket.destroy();
    if (socket.destroyed || unread.length < end) return undefined;
    const packet = unread.subarray(2, end);
    unread = unread.subarray(end);
    return packet;
  };

  socket.on('data', (chunk) => {
    unread = unread.length === 0 ? chunk : Buffer.concat([unread, chunk]);
    serve();
  });
  socket.on('drain', serve);
  socket.on('end', () => {
    ended = true;
    serve();
  });
  // A reset is a client's way of leaving.
  socket.on('error', () => {});
  socket.on('close', () => {
    clearTimeout(idle);
    clearTimeout(total);
  });
}

/** In one write, so that a small answer is one segment. */
function framed(bytes: Buffer): Buffer {
  const message = Buffer.allocUnsafe(2 + bytes.length);
  message.writeUInt16BE(bytes.length);
  bytes.copy(message, 2);
  return message;
}
