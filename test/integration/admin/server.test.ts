import { once } from 'node:events';
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { createServer, request } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { AdminServer, type AdminServerOptions } from '../../../src/admin/server.ts';
import { AdminClient } from '../../../src/cli/client.ts';
import { systemClock } from '../../../src/lib/clock.ts';
import { exec } from '../../../src/lib/exec.ts';
import { silentLogger } from '../../../src/lib/logger.ts';
import { FakeAgent } from '../../support/admin.ts';
import { eventually } from '../../support/eventually.ts';
import { row } from '../../support/rows.ts';

let folder: string;
let agent: FakeAgent;
const running: { readonly stop: AbortController; readonly done: Promise<void> }[] = [];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fairlead-admin-'));
  agent = new FakeAgent();
  agent.setRows(row('web', 'web-1:80'));
});

afterEach(async () => {
  for (const { stop, done } of running.splice(0)) {
    stop.abort();
    await done;
  }
  expect(agent.subscribers).toBe(0);
  await rm(folder, { recursive: true });
});

const loopback = { kind: 'tcp', address: '127.0.0.1', port: 0 } as const;

async function serve(options: Partial<AdminServerOptions> = {}): Promise<string> {
  const server = new AdminServer({
    listen: loopback,
    token: '',
    backend: agent,
    clock: systemClock,
    logger: silentLogger,
    ...options,
  });
  const url = await server.listen();
  const stop = new AbortController();
  running.push({ stop, done: server.run(stop.signal) });
  return url;
}

async function stopLast(): Promise<void> {
  const last = running.pop();
  last?.stop.abort();
  await last?.done;
}

/** Speaks to the server byte by byte, and collects what comes. */
async function raw(url: string, text: string): Promise<{ readonly socket: Socket; readonly all: Promise<string> }> {
  const socket = connect(Number(new URL(url).port), '127.0.0.1');
  await once(socket, 'connect');
  socket.write(text);
  let got = '';
  socket.setEncoding('utf8').on('data', (chunk: string) => {
    got += chunk;
  });
  // A reset ends a connection as well as a FIN.
  socket.on('error', () => {});
  return { socket, all: once(socket, 'close').then(() => got) };
}

describe('a TCP address', () => {
  it('answers, and is free again after the end', async () => {
    const url = await serve();
    expect((await fetch(`${url}/healthz`)).status).toBe(200);
    await stopLast();
    await expect(fetch(`${url}/healthz`)).rejects.toThrow();
    const port = Number(new URL(url).port);
    expect(await serve({ listen: { ...loopback, port } })).toBe(url);
  });

  it('is answered in IPv6 too', async () => {
    const url = await serve({ listen: { kind: 'tcp', address: '::1', port: 0 } });
    expect(url).toMatch(/^http:\/\/\[::1\]:\d+$/);
    expect((await fetch(`${url}/healthz`)).status).toBe(200);
  });

  it('that is taken is an error that says which', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const { port } = other.address() as AddressInfo;
    await expect(serve({ listen: { ...loopback, port } })).rejects.toMatchObject({
      code: 'admin-address-taken',
      message: `127.0.0.1 port ${port} (admin.listen) is in use`,
    });
    other.close();
  });

  it('that this host does not have is another error', async () => {
    const listen = { kind: 'tcp', address: '192.0.2.1', port: 7470 } as const;
    await expect(serve({ listen })).rejects.toMatchObject({ code: 'admin-listen' });
  });

  it('believes only its own names', async () => {
    const url = await serve();
    const { all } = await raw(url, 'GET /v1/status HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n');
    expect(await all).toMatch(/^HTTP\/1.1 403 .*"forbidden-host"/s);
  });

  it.each(['bad host', 'a/b', '[::1', 'localhost/@evil.example'])('refuses the Host header %j', async (host) => {
    const { all } = await raw(await serve(), `GET /healthz HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
    expect(await all).toMatch(/^HTTP\/1.1 40[03] .*\{"error":\{"code":/s);
  });

  it.each(['n1/web-1:80', 'n1%2Fweb-1%3A80'])('takes the id %s in a path', async (id) => {
    const url = await serve();
    const response = await fetch(`${url}/v1/endpoints/${id}/drain`, { method: 'POST' });
    expect(await response.json()).toMatchObject({ id: 'n1/web-1:80' });
  });

  it('refuses a large body whether its length is told or not', async () => {
    const url = await serve();
    const body = Buffer.alloc(100_000);
    expect((await fetch(`${url}/v1/mesh/repair`, { method: 'POST', body })).status).toBe(413);
    const chunked = new Blob([body]).stream();
    const options = { method: 'POST', body: chunked, duplex: 'half' } as const;
    expect((await fetch(`${url}/v1/mesh/repair`, options)).status).toBe(413);
    expect(agent.repairs).toBe(0);
  });
});

describe('a unix socket', () => {
  const ask = async (path: string): Promise<unknown> =>
    new AdminClient({ url: `unix://${path}`, token: '' }).get('/v1/status');

  it('answers its owner and nobody else, and is gone after the end', async () => {
    const path = join(folder, 'admin.sock');
    expect(await serve({ listen: { kind: 'unix', path } })).toBe(`unix://${path}`);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect(await ask(path)).toMatchObject({ node: 'n1' });
    await stopLast();
    await expect(stat(path)).rejects.toMatchObject({ code: 'ENOENT' });
  });

  it('that a killed agent left behind is taken over', async () => {
    const path = join(folder, 'admin.sock');
    const script =
      "require('node:net').createServer().listen(process.argv[1], () => process.kill(process.pid, 'SIGKILL'))";
    await exec(process.execPath, ['-e', script, path]);
    expect((await stat(path)).isSocket()).toBe(true);
    await serve({ listen: { kind: 'unix', path } });
    expect(await ask(path)).toMatchObject({ node: 'n1' });
  });

  it('of a running agent is not', async () => {
    const path = join(folder, 'admin.sock');
    await serve({ listen: { kind: 'unix', path } });
    await expect(serve({ listen: { kind: 'unix', path } })).rejects.toMatchObject({ code: 'admin-address-taken' });
    expect(await ask(path)).toMatchObject({ node: 'n1' });
  });

  it('never replaces a file', async () => {
    const path = join(folder, 'precious');
    await writeFile(path, 'precious');
    await expect(serve({ listen: { kind: 'unix', path } })).rejects.toMatchObject({ code: 'admin-listen' });
    expect((await stat(path)).size).toBe(8);
  });

  it('in a folder that is not there is an error', async () => {
    const listen = { kind: 'unix', path: join(folder, 'none', 'admin.sock') } as const;
    await expect(serve({ listen })).rejects.toMatchObject({ code: 'admin-listen' });
  });

  it('does not care for a Host header', async () => {
    const path = join(folder, 'admin.sock');
    await serve({ listen: { kind: 'unix', path } });
    const sent = request({ socketPath: path, path: '/healthz', headers: { host: 'whatever' } }).end();
    const [response] = await once(sent, 'response');
    expect(response.statusCode).toBe(200);
    response.resume();
  });
});

describe('/v1/events', () => {
  async function take(events: AsyncGenerator<unknown>) {
    const { value } = await events.next();
    return value as { revision: number; changed: { name: string }[]; removed: string[] };
  }

  it('tells every change as it happens', async () => {
    const events = new AdminClient({ url: await serve(), token: '' }).events('/v1/events');
    expect((await take(events)).changed.map(({ name }) => name)).toEqual(['web']);
    agent.setRows(row('web', 'web-1:80'), row('db', 'db-1'));
    expect((await take(events)).changed.map(({ name }) => name)).toContain('db');
    agent.setRows(row('db', 'db-1'));
    expect((await take(events)).removed).toEqual(['web']);
    await events.return(undefined);
    await eventually('the stream ends', () => agent.subscribers === 0);
  });

  it('sends ten thousand services as one event', async () => {
    agent.setRows(...Array.from({ length: 10_000 }, (_, i) => row(`s${i}`, `e${i}`)));
    const events = new AdminClient({ url: await serve(), token: '' }).events('/v1/events');
    expect((await take(events)).changed).toHaveLength(10_000);
    await events.return(undefined);
  });

  it('shows that it lives while nothing happens, and keeps who has nothing to read', async () => {
    const url = await serve({ heartbeatMs: 50, stallMs: 200 });
    const { socket, all } = await raw(url, 'GET /v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n');
    let heartbeats = 0;
    // Eight take twice as long as a stalled client is given.
    socket.on('data', (chunk: string) => {
      if (chunk.includes(': heartbeat') && ++heartbeats === 8) socket.destroy();
    });
    expect(await all).toContain('content-type: text/event-stream');
    expect(heartbeats).toBe(8);
  });

  it('drops a client that does not read', async () => {
    const url = await serve({ heartbeatMs: 50, stallMs: 400 });
    const { socket, all } = await raw(url, 'GET /v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n');
    await once(socket, 'data');
    socket.pause();
    const reason = 'x'.repeat(64 * 1024);
    let change = 0;
    await eventually(
      'it is dropped',
      () => {
        agent.setRows({ ...row('web', 'web-1:80', { state: 'critical' }), reason: `${change++} ${reason}` });
        return agent.subscribers === 0;
      },
      30_000,
    );
    socket.resume();
    await all;
  });

  it('ends with the agent', async () => {
    const events = new AdminClient({ url: await serve(), token: '' }).events('/v1/events');
    await take(events);
    const next = events.next();
    await stopLast();
    expect(await next).toMatchObject({ done: true });
  });
});

it('a request under way may finish when the agent stops, a hanging one may not hold it up', async () => {
  const url = await serve();
  const { all } = await raw(url, 'POST /v1/mesh/repair HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\n');
  const before = performance.now();
  await stopLast();
  expect(performance.now() - before).toBeLessThan(5000);
  await all;
});
