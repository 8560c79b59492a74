import { connect, isIPv6 } from 'node:net';
import type { CheckResult } from '../machine.ts';
import { connectFailure } from './http.ts';

/**
 * Passes when the connection is established; nothing is sent. The socket is destroyed before this resolves.
 * On abort it resolves to some failure: why is the caller's to say.
 */
export async function probeTcp(
  { address, port }: { readonly address: string; readonly port: number },
  signal: AbortSignal,
): Promise<CheckResult> {
  const where = isIPv6(address) ? `[${address}]:${port}` : `${address}:${port}`;
  return await new Promise<CheckResult>((resolve) => {
    const socket = connect({ host: address, port, signal });
    socket.on('connect', () => {
      // A reset instead of a close handshake: checks must not fill the target with TIME_WAIT.
      socket.resetAndDestroy();
      resolve({ kind: 'pass', reason: '' });
    });
    socket.on('error', (error) => resolve({ kind: 'fail', reason: connectFailure(error, where) }));
  });
}
