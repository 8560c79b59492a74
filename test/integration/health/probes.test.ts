import { once } from 'node:events';
import { createServer as createHttpServer, type Server as HttpServer, type RequestListener } from 'node:http';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { Registry } from 'prom-client';
import { afterEach, describe, expect, test } from 'vitest';
import { HealthChecker } from '../../../src/health/checker.ts';
import { createHealthMetrics } from '../../../src/health/metrics.ts';
import type { ExecInContainer } from '../../../src/health/probes/exec.ts';
import { createProbe } from '../../../src/health/probes/probe.ts';
import { checkTarget } from '../../../src/health/target.ts';
import { systemClock } from '../../../src/lib/clock.ts';
import { FairleadError } from '../../../src/lib/errors.ts';
import { silentLogger } from '../../../src/lib/logger.ts';
import type { Health, Probe } from '../../../src/model/service.ts';
import { workload } from '../../support/workloads.ts';

let servers: { readonly server: Server | HttpServer; readonly sockets: Set<Socket> }[] = [];

afterEach(async () => {
  for (const { server, sockets } of servers) {
    for (const socket of sockets) socket.destroy();
    server.close();
    await once(server, 'close');
  }
  servers = [];
});

async function listen(
  server: Server | HttpServer,
  address = '127.0.0.1',
): Promise<{ port: number; sockets: Set<Socket> }> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => sockets.delete(socket));
  });
  server.listen(0, address);
  await once(server, 'listening');
  servers.push({ server, sockets });
  return { port: (server.address() as AddressInfo).port, sockets };
}

const http = (answer: RequestListener, address?: string) => listen(createHttpServer(answer), address);

const noContainers: ExecInContainer = async () => {
  throw new FairleadError('docker-missing', 'no Docker here');
};

/** Asks once, without a checker around it. */
async function ask(
  probe: Probe,
  endpoint: { address?: string; port?: number; containerId?: string },
  exec = noContainers,
) {
  const { address = '127.0.0.1', port, containerId } = endpoint;
  const target = checkTarget(
    workload('a', {
      address,
      ports: new Map(port === undefined ? [] : [['http', port]]),
      check: { probe, timeoutMs: 1000 },
      ...(containerId === undefined ? {} : { container: { id: containerId, name: 'a', image: 'a' } }),
    }),
  );
  if (target === undefined) throw new Error('no target');
  return await createProbe(exec)(target, new AbortController().signal);
}

const PASS = { kind: 'pass', reason: '' };

/** A port that nobody listens on: it was ours a moment ago. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

describe('http', () => {
  test.each([
    [200, PASS],
    [204, PASS],
    [302, PASS],
    [399, PASS],
    [400, { kind: 'fail', reason: 'http 400 from /healthz' }],
    [404, { kind: 'fail', reason: 'http 404 from /healthz' }],
    [503, { kind: 'fail', reason: 'http 503 from /healthz' }],
  ])('status %i', async (status, result) => {
    const asked: unknown[] = [];
    const { port } = await http((request, response) => {
      asked.push([request.method, request.url, request.headers.host]);
      response.writeHead(status, { location: 'http://127.0.0.1:1/' }).end('body');
    });
    expect(await ask({ kind: 'http', path: '/healthz' }, { port })).toEqual(result);
    expect(asked).toEqual([['GET', '/healthz', `127.0.0.1:${port}`]]);
  });

  test('the body is not waited for, and the connection is gone', async () => {
    const { port, sockets } = await http((_request, response) => {
      response.writeHead(200).write('for ever');
    });
    expect(await ask({ kind: 'http', path: '/' }, { port })).toEqual(PASS);
    await expect.poll(() => sockets.size).toBe(0);
  });

  test('the probe has a port of its own, over IPv6 too', async () => {
    const { port } = await http((_request, response) => response.end(), '::1');
    expect(await ask({ kind: 'http', path: '/', port }, { address: '::1', port: 1 })).toEqual(PASS);
  });

  test('what speaks no HTTP fails', async () => {
    const { port } = await listen(createServer((socket) => socket.end('SSH-2.0-OpenSSH_9.2\r\n')));
    const result = await ask({ kind: 'http', path: '/' }, { port });
    expect(result.reason).toBe(`no answer from 127.0.0.1:${port} (HPE_INVALID_CONSTANT)`);
  });

  test('a server that hangs up at once fails', async () => {
    const { port } = await listen(createServer((socket) => socket.destroy()));
    expect((await ask({ kind: 'http', path: '/' }, { port })).kind).toBe('fail');
  });

  test('a path that may not stand in a request is refused, not sent', async () => {
    const { port } = await http((_request, response) => response.end());
    const result = await ask({ kind: 'http', path: '/\r\nX: y' }, { port });
    expect(result).toEqual({ kind: 'fail', reason: expect.stringContaining('unescaped characters') });
  });
});

describe('tcp', () => {
  test('passes when something accepts, and hangs up', async () => {
    const { port, sockets } = await listen(createServer());
    expect(await ask({ kind: 'tcp' }, { port })).toEqual(PASS);
    await expect.poll(() => sockets.size).toBe(0);
  });

  test.each<Probe>([{ kind: 'tcp' }, { kind: 'http', path: '/' }])('a closed port says so to $kind', async (probe) => {
    const port = await freePort();
    expect(await ask(probe, { port })).toEqual({ kind: 'fail', reason: `connect refused 127.0.0.1:${port}` });
  });

  test('an endpoint without a port fails', async () => {
    expect(await ask({ kind: 'tcp' }, {})).toEqual({ kind: 'fail', reason: 'the endpoint has no port to check' });
  });
});

describe('exec', () => {
  test.each([
    [['true'], PASS],
    [['false'], { kind: 'fail', reason: 'exit code 1 from "false"' }],
    [['sh', '-c', 'exit 2'], { kind: 'fail', reason: 'exit code 2 from "sh"' }],
    [['fairlead-no-such-program'], { kind: 'fail', reason: expect.stringContaining('is not installed') }],
    [[], { kind: 'fail', reason: 'no command to run' }],
  ])('%j on this host', async (command, result) => {
    expect(await ask({ kind: 'exec', command }, {})).toEqual(result);
  });

  test.each([
    [0, PASS],
    [1, { kind: 'fail', reason: 'exit code 1 from "pg_isready"' }],
    [137, { kind: 'fail', reason: 'exit code 137 from "pg_isready"' }],
  ])('exit code %i inside the container', async (exitCode, result) => {
    const calls: unknown[] = [];
    const command = ['pg_isready', '-q'];
    const answer = await ask({ kind: 'exec', command }, { containerId: 'c1' }, async (...call) => {
      calls.push(call);
      return { exitCode, output: 'some\noutput' };
    });
    expect(answer).toEqual(result);
    expect(calls).toEqual([['c1', command, 1000]]);
  });

  test.each([
    [['true'], PASS],
    [['false'], { kind: 'warn', reason: 'exit code 1 from "false"' }],
    [['sh', '-c', 'exit 2'], { kind: 'fail', reason: 'exit code 2 from "sh"' }],
  ])('%j of a script written for Consul', async (command, result) => {
    expect(await ask({ kind: 'exec', command, warnOn1: true }, {})).toEqual(result);
  });

  test('a Docker that does not answer is a failed check', async () => {
    const command = ['true'];
    expect(await ask({ kind: 'exec', command }, { containerId: 'c1' })).toEqual({
      kind: 'fail',
      reason: 'no Docker here',
    });
  });
});

test('what Docker says at length is cut to a line', async () => {
  const result = await ask({ kind: 'exec', command: ['true'] }, { containerId: 'c1' }, async () => {
    throw new Error('x'.repeat(5000));
  });
  expect(result.reason).toHaveLength(200);
});

describe('with real targets', () => {
  test('hanging ones time out beside a hundred good ones, and no socket is left', async () => {
    // It reads, so that it sees the other side hang up, but never answers.
    const silent = await listen(createServer((socket) => socket.resume()));
    const good = await http((_request, response) => response.end('ok'));
    const stop = new AbortController();
    const seen = new Map<string, Health>();
    const checker = new HealthChecker({
      clock: systemClock,
      log: silentLogger,
      metrics: createHealthMetrics(new Registry()),
      probe: createProbe(noContainers),
      onChange: (localId, health) => seen.set(localId, health),
      concurrency: 8,
    });
    const check = { probe: { kind: 'http', path: '/' }, intervalMs: 100, timeoutMs: 300 } as const;
    const at = (port: number) => ({ address: '127.0.0.1', ports: new Map([['http', port]]), check });
    checker.update([
      ...Array.from({ length: 6 }, (_, i) => workload(`hung-${i}`, at(silent.port))),
      ...Array.from({ length: 100 }, (_, i) => workload(`good-${i}`, at(good.port))),
    ]);
    const ended = checker.run(stop.signal);
    await expect.poll(() => seen.size, { timeout: 10_000 }).toBe(106);
    for (const [localId, health] of seen) {
      expect(health).toEqual(
        localId.startsWith('good')
          ? { state: 'passing', reason: '' }
          : { state: 'critical', reason: 'timeout after 300ms' },
      );
    }
    await expect.poll(() => silent.sockets.size).toBeLessThanOrEqual(6);
    stop.abort();
    await ended;
    await expect.poll(() => silent.sockets.size + good.sockets.size).toBe(0);
  });
});
