import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EngineControl } from './engine-control.ts';
import { type FakeContainer, FakeDocker, Refusal } from './fake-docker.ts';

/** Takes a request over instead of the Engine: answers slowly, half, with rubbish, or not at all. */
export type Fault = (path: string, response: ServerResponse, answer: () => void) => void;

/** A stateful fake of the Docker Engine on a real unix socket: what a test does to it over its API shows in it. */
export class FakeEngine extends EngineControl implements AsyncDisposable {
  readonly docker = new FakeDocker();
  readonly #root: string;
  #server: Server | undefined;
  #fault: Fault | undefined;
  readonly #requests: string[] = [];

  constructor(root: string) {
    super(join(root, 'docker.sock'));
    this.#root = root;
  }

  /** Every request so far: `GET /containers/json`. */
  get requests(): readonly string[] {
    return this.#requests;
  }

  async start(): Promise<void> {
    const server = createServer((request, response) => void this.#serve(request, response));
    server.listen(this.socket);
    await once(server, 'listening');
    this.#server = server;
  }

  /** The daemon goes away; its containers go on running, as with `--live-restore`. */
  async stop(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (server === undefined) return;
    const closed = once(server, 'close');
    server.close();
    server.closeAllConnections();
    await closed;
    this.docker.forgetEvents();
  }

  /** Cuts every connection, the stream of events too, and goes on serving. */
  cut(): void {
    this.#server?.closeAllConnections();
  }

  inject(fault: Fault | undefined): void {
    this.#fault = fault;
  }

  async remove(): Promise<void> {
    await this.stop();
    await rm(this.#root, { recursive: true });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.remove();
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', 'http://docker');
    const path = url.pathname.replace(/^\/v1\.\d+/, '');
    this.#requests.push(`${request.method} ${path}`);
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const text = Buffer.concat(chunks).toString();
    const answer = () => this.#answer(`${request.method} ${path}`, url.searchParams, text, response);
    if (this.#fault === undefined) answer();
    else this.#fault(path, response, answer);
  }

  #answer(route: string, query: URLSearchParams, text: string, response: ServerResponse): void {
    response.setHeader('Api-Version', '1.41');
    if (route === 'GET /events') {
      this.docker.follow(query, response);
      return;
    }
    if (/^POST \/exec\/\w+\/start$/.test(route)) {
      this.docker.startExec(route.split('/')[2] ?? '', response);
      return;
    }
    try {
      const body: unknown = text === '' ? {} : JSON.parse(text);
      const answer = route === 'GET /_ping' ? 'OK' : respond(this.docker, route, query, body);
      response.setHeader('content-type', 'application/json');
      response.end(answer === undefined ? '{}' : JSON.stringify(answer));
    } catch (error) {
      response.statusCode = error instanceof Refusal ? error.status : 500;
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify({ message: String(error) }));
    }
  }
}

/** Starts a fake Engine: `await using engine = await startFakeEngine()`. */
export async function startFakeEngine(): Promise<FakeEngine> {
  const engine = new FakeEngine(await mkdtemp(join(tmpdir(), 'fairlead-engine-')));
  await engine.start();
  return engine;
}

function respond(docker: FakeDocker, route: string, query: URLSearchParams, body: unknown): unknown {
  const [, method = '', kind = '', id = '', verb = ''] = /^(\w+) \/(\w+)(?:\/([^/]+))?(?:\/(\w+))?$/.exec(route) ?? [];
  const one = (): FakeContainer => docker.container(decodeURIComponent(id));
  const isCollection = verb === '' && (id === 'json' || id === 'create');
  switch (`${method} ${kind} ${isCollection ? id : verb}`) {
    case 'GET containers json':
      return id === 'json' ? docker.list(query.has('all')) : docker.inspect(one());
    case 'POST containers create':
      return docker.create(query.get('name') ?? undefined, body);
    case 'POST containers start':
      return docker.start(one());
    case 'POST containers stop':
      return docker.stop(one());
    case 'POST containers restart':
      return docker.restart(one());
    case 'POST containers kill':
      return docker.kill(one(), query.get('signal') ?? 'SIGKILL');
    case 'POST containers pause':
      return docker.setPaused(one(), true);
    case 'POST containers unpause':
      return docker.setPaused(one(), false);
    case 'POST containers rename':
      return docker.rename(one(), query.get('name') ?? '');
    case 'DELETE containers ':
      return docker.destroy(one());
    case 'POST networks create':
      return docker.createNetwork(body);
    case 'POST networks connect':
      return docker.setConnected(decodeURIComponent(id), body, true);
    case 'POST networks disconnect':
      return docker.setConnected(decodeURIComponent(id), body, false);
    case 'POST containers exec':
      return docker.createExec(one(), body);
    case 'GET exec json':
      return docker.inspectExec(id);
    default:
      throw new Refusal(404, `no such page: ${route}`);
  }
}
