import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { afterEach, describe, expect, it } from 'vitest';
import { AdminClient } from '../../../src/cli/client.ts';

let server: Server | undefined;

afterEach(async () => {
  const closed = server && once(server, 'close');
  server?.close();
  server?.closeAllConnections();
  await closed;
  server = undefined;
});

/** Something that listens where an agent is expected. */
async function answering(listener: RequestListener): Promise<string> {
  server = createServer(listener).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function collect(events: AsyncGenerator<unknown>): Promise<readonly unknown[]> {
  const all: unknown[] = [];
  for await (const event of events) all.push(event);
  return all;
}

describe('a request', () => {
  it.each([
    ['', 's3cret', '/v1/status', 'Bearer s3cret'],
    ['/', '', '/v1/status', undefined],
    ['/fairlead/', '', '/fairlead/v1/status', undefined],
  ])('to a base %j with the token %j', async (base, token, path, authorization) => {
    const url = await answering((request, response) => {
      response.end(JSON.stringify({ path: request.url, authorization: request.headers.authorization }));
    });
    expect(await new AdminClient({ url: url + base, token }).get('/v1/status')).toEqual(
      authorization === undefined ? { path } : { path, authorization },
    );
  });

  it("fails with the agent's own words", async () => {
    const url = await answering((_request, response) => {
      response.writeHead(409).end('{"error":{"code":"mesh-off","message":"the mesh is off"}}');
    });
    const failed = new AdminClient({ url, token: '' }).post('/v1/mesh/repair');
    await expect(failed).rejects.toMatchObject({ code: 'mesh-off', message: 'the mesh is off' });
  });

  it('says how to give a token', async () => {
    const url = await answering((_request, response) => {
      response.writeHead(401).end('{"error":{"code":"unauthorized","message":"no"}}');
    });
    const failed = new AdminClient({ url, token: '' }).get('/v1/status');
    await expect(failed).rejects.toMatchObject({ code: 'unauthorized', remedy: 'give it with FAIRLEAD_ADMIN_TOKEN' });
  });

  it.each<[string, RequestListener]>([
    ['never answers', () => {}],
    ['stops in the middle', (_request, response) => void response.write('{"node":')],
    ['is cut off', (_request, response) => void response.write('{', () => response.destroy())],
    ['hangs up', (request) => void request.socket.destroy()],
  ])('to an agent that %s is an error, and no fault', async (_what, listener) => {
    const client = new AdminClient({ url: await answering(listener), token: '', timeoutMs: 100 });
    await expect(client.get('/v1/status')).rejects.toMatchObject({ code: 'agent-unreachable' });
  });
});

describe('events', () => {
  it('are read across chunks, without comments and names', async () => {
    const text = ': hello\n\nevent: snapshot\nid: 1\ndata: {"a":"ü"}\n\n: heartbeat\n\ndata: {"b":2}\n\n';
    const bytes = Array.from(Buffer.from(text), (byte) => Buffer.of(byte));
    const url = await answering((_request, response) => void Readable.from(bytes).pipe(response));
    expect(await collect(new AdminClient({ url, token: '' }).events('/v1/events'))).toEqual([{ a: 'ü' }, { b: 2 }]);
  });

  it.each<[string, string, RequestListener]>([
    ['agent-unreachable', 'is cut off', (_request, response) => void response.write(': \n', () => response.destroy())],
    ['agent-unreachable', 'goes silent', (_request, response) => void response.write(': \n')],
    ['bad-answer', 'talks nonsense', (_request, response) => void response.end('data: {\n\n')],
    ['x', 'refuses', (_request, response) => void response.writeHead(503).end('{"error":{"code":"x","message":""}}')],
  ])('end with %s when the agent %s', async (code, _what, listener) => {
    const client = new AdminClient({ url: await answering(listener), token: '', timeoutMs: 100 });
    await expect(collect(client.events('/v1/events'))).rejects.toMatchObject({ code });
  });

  it('end quietly when they are told to', async () => {
    const stop = new AbortController();
    const url = await answering((_request, response) => void response.write('data: 1\n\n'));
    const events = new AdminClient({ url, token: '' }).events('/v1/events', stop.signal);
    expect(await events.next()).toEqual({ done: false, value: 1 });
    const next = events.next();
    stop.abort();
    expect(await next).toMatchObject({ done: true });
  });
});
