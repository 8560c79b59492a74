import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { DockerClient } from '../../../../src/containers/docker/client.ts';

/** More than the sockets that the client has for everything else. */
const COMMANDS = 40;

let folder: string;
let engine: Server;
let client: DockerClient;
let started = 0;

/** An Engine whose commands never end. */
beforeEach(async () => {
  started = 0;
  folder = await mkdtemp(join(tmpdir(), 'fairlead-client-'));
  engine = createServer((request, response) => {
    response.setHeader('api-version', '1.41');
    request.resume();
    if (request.url?.endsWith('/start')) {
      started++;
      engine.emit('started');
    } else response.end(request.method === 'POST' ? '{"Id":"e1"}' : '[]');
  });
  engine.listen(join(folder, 'docker.sock'));
  await once(engine, 'listening');
  client = new DockerClient(`unix://${join(folder, 'docker.sock')}`);
});

afterEach(async () => {
  client.close();
  engine.closeAllConnections();
  engine.close();
  await rm(folder, { recursive: true });
});

it('answers while more commands hang in containers than it has sockets', async () => {
  const signal = AbortSignal.timeout(5000);
  const ended = Promise.allSettled(Array.from({ length: COMMANDS }, () => client.exec('c1', ['hang'], 10_000)));
  while (started < COMMANDS) await once(engine, 'started', { signal });
  expect(await client.list(signal)).toEqual([]);
  engine.closeAllConnections();
  expect((await ended).map(({ status }) => status)).toEqual(Array<string>(COMMANDS).fill('rejected'));
});
