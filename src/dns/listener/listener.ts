import type { Logger } from '../../lib/logger.ts';
import { formatSocketAddress, type SocketAddress } from '../address.ts';
import type { Request } from '../handler.ts';
import { openTcp, type TcpLimits } from './tcp.ts';
import { openUdp } from './udp.ts';

/** Answers a request: calls `reply` exactly once, now or later; with undefined where there is to be no reply. */
export type Respond = (request: Request, reply: (bytes: Buffer | undefined) => void) => void;

export interface ListenerOptions {
  readonly respond: Respond;
  readonly tcpLimits: TcpLimits;
  readonly log: Logger;
}

export interface OpenSocket {
  readonly port: number;
  close(): Promise<void>;
}

export interface Listener {
  /** Where it really listens: the kernel chooses for port 0. */
  readonly address: string;
  close(): Promise<void>;
}

/** UDP and TCP on the same address and port; neither where one cannot be had. */
export async function openListener(where: SocketAddress, options: ListenerOptions): Promise<Listener> {
  const udp = await openUdp(where, options);
  try {
    const tcp = await openTcp({ ...where, port: udp.port }, options);
    return {
      address: formatSocketAddress({ ...where, port: udp.port }),
      close: async () => {
        await Promise.all([udp.close(), tcp.close()]);
      },
    };
  } catch (error) {
    await udp.close();
    throw error;
  }
}
