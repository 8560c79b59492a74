import { setTimeout as delay } from 'node:timers/promises';
import { FairleadError } from '../../lib/errors.ts';
import { type Container, decodeContainer } from './container.ts';
import { type DecodedEvent, decodeEvent, EVENT_FILTERS } from './events.ts';
import { at, isTrueAt, textAt } from './json.ts';
import { decodeListed, type ListedContainer } from './list.ts';
import { linesOf, OutputCollector } from './stream.ts';
import { DockerTransport } from './transport.ts';

/** The oldest API spoken (Docker 19.03) and the newest known; a newer Engine is asked in the newest. */
const OLDEST_API = 40;
const NEWEST_API = 52;

/** What is kept of a command's output. */
const MAX_EXEC_OUTPUT = 4096;

export interface ExecOutcome {
  readonly exitCode: number;
  /** stdout and stderr as they came, the first 4 KiB. */
  readonly output: string;
}

/** The Engine's API as far as it is used here, decoded. Errors are those of `DockerTransport`. */
export class DockerClient {
  readonly #transport: DockerTransport;
  /** Commands hold their sockets until they end: what is asked of the Engine itself must not wait for them. */
  readonly #execTransport: DockerTransport;
  #version: string | undefined;

  /** `endpoint` is `unix:///path/of/docker.sock`. */
  constructor(endpoint: string) {
    const socketPath = socketPathOf(endpoint);
    this.#transport = new DockerTransport(socketPath, 16);
    // How many commands run at once is for who asks for them to bound.
    this.#execTransport = new DockerTransport(socketPath, Number.POSITIVE_INFINITY);
  }

  /** Asks whether the Engine is there and agrees on a version; resolves with the Engine's own time, whole seconds. */
  async ping(signal: AbortSignal): Promise<number> {
    const response = await this.#transport.open({ path: '/_ping', signal });
    response.resume();
    const offered = /^1\.(\d{1,3})$/.exec(String(response.headers['api-version']))?.[1];
    if (offered === undefined) {
      throw new FairleadError(
        'docker-answer',
        'what answers at the socket is not a Docker Engine: it told no API version',
      );
    }
    if (Number(offered) < OLDEST_API) {
      const needed = `1.${OLDEST_API} (Docker 19.03)`;
      throw new FairleadError('docker-version', `the Docker Engine speaks API 1.${offered}, ${needed} is needed`, {
        remedy: 'upgrade Docker',
      });
    }
    this.#version = `/v1.${Math.min(Number(offered), NEWEST_API)}`;
    const date = Date.parse(response.headers.date ?? '');
    return Math.floor((Number.isNaN(date) ? Date.now() : date) / 1000);
  }

  /** The running containers, briefly. */
  async list(signal: AbortSignal): Promise<readonly ListedContainer[]> {
    const list = await this.#transport.json({ path: await this.#path('/containers/json', signal), signal });
    if (!Array.isArray(list)) throw new FairleadError('docker-answer', 'Docker answered with no list of containers');
    return list.flatMap((item) => decodeListed(item) ?? []);
  }

  /** Rejects with `docker-not-found` for a container that is gone. */
  async inspect(id: string, signal: AbortSignal): Promise<Container> {
    const path = await this.#path(`/containers/${encodeURIComponent(id)}/json`, signal);
    const container = decodeContainer(await this.#transport.json({ path, signal }));
    if (container === undefined) throw new FairleadError('docker-answer', `Docker's answer to ${path} is no container`);
    return container;
  }

  /**
   * Subscribes; resolves once the Engine has accepted, with everything from `since` (seconds, `.nanoseconds`) on.
   * A line that is no JSON is an error: the stream can no longer be trusted.
   */
  async events(since: string, signal: AbortSignal): Promise<AsyncIterable<DecodedEvent>> {
    const query = new URLSearchParams({ since, filters: JSON.stringify(EVENT_FILTERS) });
    const path = await this.#path(`/events?${query}`, signal);
    const response = await this.#transport.open({ path, signal });
    return decodeEvents(this.#transport.chunks(response));
  }

  /** Runs a command inside a container. Docker cannot stop it: after `docker-timeout` it goes on, unheard. */
  async exec(id: string, command: readonly string[], timeoutMs: number): Promise<ExecOutcome> {
    const signal = AbortSignal.timeout(timeoutMs);
    try {
      return await this.#exec(id, command, signal);
    } catch (cause) {
      if (!signal.aborted) throw cause;
      throw new FairleadError('docker-timeout', `the command did not end within ${timeoutMs} ms`, { cause });
    }
  }

  close(): void {
    this.#transport.close();
    this.#execTransport.close();
  }

  async #exec(id: string, command: readonly string[], signal: AbortSignal): Promise<ExecOutcome> {
    const path = await this.#path(`/containers/${encodeURIComponent(id)}/exec`, signal);
    const body = { AttachStdout: true, AttachStderr: true, Cmd: command };
    const execId = textAt(await this.#execTransport.json({ method: 'POST', path, body, signal }), 'Id');
    if (execId === undefined) throw new FairleadError('docker-answer', 'Docker answered with no exec id');
    const execPath = await this.#path(`/exec/${encodeURIComponent(execId)}`, signal);
    const start = { method: 'POST', path: `${execPath}/start`, body: { Detach: false, Tty: false }, signal } as const;
    const output = new OutputCollector(MAX_EXEC_OUTPUT);
    for await (const chunk of this.#execTransport.chunks(await this.#execTransport.open(start))) output.add(chunk);
    // The output ends a moment before Docker has noted the exit code.
    for (;;) {
      const state = await this.#execTransport.json({ path: `${execPath}/json`, signal });
      const exitCode = at(state, 'ExitCode');
      if (!isTrueAt(state, 'Running') && typeof exitCode === 'number') return { exitCode, output: output.text() };
      await delay(5, undefined, { signal });
    }
  }

  async #path(path: string, signal: AbortSignal): Promise<string> {
    if (this.#version === undefined) await this.ping(signal);
    return `${this.#version}${path}`;
  }
}

async function* decodeEvents(chunks: AsyncIterable<Buffer>): AsyncGenerator<DecodedEvent> {
  for await (const line of linesOf(chunks)) {
    const event = decodeEvent(line);
    if (event === undefined) throw new FairleadError('docker-answer', "a line of Docker's events is not JSON");
    yield event;
  }
}

function socketPathOf(endpoint: string): string {
  if (endpoint.startsWith('unix:///')) return endpoint.slice('unix://'.length);
  throw new FairleadError('docker-endpoint', `${endpoint} is not unix:///path/of/docker.sock`);
}
