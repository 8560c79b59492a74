import { request } from 'node:http';
import { isIPv6 } from 'node:net';
import { errorCode } from '../../lib/errors.ts';
import type { CheckResult } from '../machine.ts';

export interface HttpProbe {
  readonly address: string;
  readonly port: number;
  readonly path: string;
}

/**
 * Asks with GET over a connection of its own. 2xx and 3xx pass, redirects are not followed; the body is not read.
 * The socket is destroyed before this resolves. On abort it resolves to some failure: why is the caller's to say.
 */
export async function probeHttp({ address, port, path }: HttpProbe, signal: AbortSignal): Promise<CheckResult> {
  const where = isIPv6(address) ? `[${address}]:${port}` : `${address}:${port}`;
  return await new Promise<CheckResult>((resolve) => {
    const outgoing = request({
      host: address,
      port,
      path,
      agent: false,
      signal,
      headers: { host: where, 'user-agent': 'fairlead-check', connection: 'close' },
    });
    outgoing.on('response', (response) => {
      // The head decides; destroying the socket spares the body, however long it would be.
      outgoing.destroy();
      const status = response.statusCode ?? 0;
      resolve(
        status >= 200 && status < 400
          ? { kind: 'pass', reason: '' }
          : { kind: 'fail', reason: `http ${status} from ${path}` },
      );
    });
    outgoing.on('error', (error) => resolve({ kind: 'fail', reason: connectFailure(error, where) }));
    outgoing.end();
  });
}

/** `connect refused 10.1.1.2:3000` */
export function connectFailure(error: unknown, where: string): string {
  const code = errorCode(error);
  const said = FAILURES.get(code ?? '');
  return said === undefined ? `no answer from ${where} (${code ?? 'unknown error'})` : `${said} ${where}`;
}

const FAILURES = new Map([
  ['ECONNREFUSED', 'connect refused'],
  ['ECONNRESET', 'connection reset by'],
  ['EHOSTUNREACH', 'no route to host'],
  ['ENETUNREACH', 'no route to network'],
  ['ETIMEDOUT', 'connect timeout'],
]);
