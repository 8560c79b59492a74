// A demo endpoint, run as a program of its own: `server.ts NAME [PORT]`. Prints one line of JSON when it listens
// ({port, ipv6}) and ends when its standard input does, which is also what a killed agent leaves behind.
import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import { errorCode } from '../lib/errors.ts';

const [name = 'hello', wanted = '0'] = process.argv.slice(2);

const answer: RequestListener = (request, response) => {
  const { pathname } = new URL(request.url ?? '/', 'http://demo');
  if (pathname === '/json') {
    response.setHeader('content-type', 'application/json');
    response.end(`${JSON.stringify({ name, pid: process.pid, path: request.url, headers: request.headers })}\n`);
    return;
  }
  response.setHeader('content-type', 'text/plain; charset=utf-8');
  if (pathname === '/healthz') response.end('ok\n');
  else response.end(`hello from ${name}\n`);
};

async function listen(host: string, port: number): Promise<Server> {
  const server = createServer(answer).listen({ host, port });
  await once(server, 'listening');
  return server;
}

function portOf(server: Server): number {
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}

/** Both families of the loopback on one port, or IPv4 alone where the host has no `::1`. */
async function listenOnLoopback(port: number): Promise<readonly Server[]> {
  const server = await listen('127.0.0.1', port);
  try {
    return [server, await listen('::1', portOf(server))];
  } catch (error) {
    if (['EADDRNOTAVAIL', 'EAFNOSUPPORT'].includes(errorCode(error) ?? '')) return [server];
    server.close();
    throw error;
  }
}

/** The port asked for, which clients may know from before, or any free one. */
async function listenNear(port: number): Promise<readonly Server[]> {
  try {
    return await listenOnLoopback(port);
  } catch (error) {
    if (errorCode(error) === 'EADDRINUSE') return await listenOnLoopback(0);
    throw error;
  }
}

// Ctrl-C reaches the terminal's whole process group; the agent says when this ends.
process.on('SIGINT', () => {});

const [server, ...more] = await listenNear(Number(wanted));
if (server === undefined) throw new Error('nothing listens');
process.stdin.resume().on('close', () => {
  for (const each of [server, ...more]) {
    each.close();
    each.closeAllConnections();
  }
});
process.stdout.write(`${JSON.stringify({ port: portOf(server), ipv6: more.length > 0 })}\n`);
