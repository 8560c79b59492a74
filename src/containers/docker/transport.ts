import { Agent, type IncomingMessage, request } from 'node:http';
import { errorCode, FairleadError } from '../../lib/errors.ts';
import { printable } from '../../model/names.ts';
import { textAt } from './json.ts';

/** Answers are read whole; the list of ten thousand containers is a tenth of this. */
const MAX_ANSWER = 128 * 1024 * 1024;

export interface EngineRequest {
  readonly method?: 'GET' | 'POST';
  readonly path: string;
  readonly body?: object;
  readonly signal: AbortSignal;
  /** Until the head of the answer has come; default 10 s. */
  readonly timeoutMs?: number;
}

/**
 * HTTP to a Docker Engine over its unix socket. Errors: `docker-unavailable`, `docker-permission`, `docker-timeout`,
 * `docker-not-found`, `docker-api` (the Engine said no), `docker-answer` (it said something that is not understood).
 */
export class DockerTransport {
  readonly #socketPath: string;
  readonly #agent: Agent;

  /** At most `maxSockets` requests are under way at once, streams among them; others wait their turn. */
  constructor(socketPath: string, maxSockets: number) {
    this.#socketPath = socketPath;
    this.#agent = new Agent({ keepAlive: true, maxSockets });
  }

  /** Sends a request and resolves with the head of a good answer, its body unread. */
  async open({ method = 'GET', path, body, signal, timeoutMs = 10_000 }: EngineRequest): Promise<IncomingMessage> {
    signal.throwIfAborted();
    const payload = body === undefined ? undefined : JSON.stringify(body);
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      const sent = request({
        socketPath: this.#socketPath,
        method,
        path,
        agent: this.#agent,
        signal,
        headers: { host: 'docker', ...(payload === undefined ? {} : { 'content-type': 'application/json' }) },
      });
      const timer = setTimeout(() => sent.destroy(new FairleadError('docker-timeout', LATE(timeoutMs))), timeoutMs);
      sent.on('error', (error) => {
        clearTimeout(timer);
        reject(signal.aborted ? signal.reason : this.#explain(error));
      });
      sent.on('response', (answer) => {
        clearTimeout(timer);
        resolve(answer);
      });
      sent.end(payload);
    });
    const status = response.statusCode ?? 0;
    if (status < 300) return response;
    const said = await this.#text(response, timeoutMs).catch(() => '');
    throw refusal(status, path, said);
  }

  /** Sends a request and resolves with its JSON answer, undecoded in shape. */
  async json(options: EngineRequest): Promise<unknown> {
    const response = await this.open(options);
    const text = await this.#text(response, options.timeoutMs ?? 10_000);
    try {
      return JSON.parse(text) as unknown;
    } catch (cause) {
      const shown = printable(text);
      throw new FairleadError('docker-answer', `Docker's answer to ${options.path} is not JSON: ${shown}`, { cause });
    }
  }

  /** The chunks of an answer without end; a connection that breaks is an error, an end is an end. */
  async *chunks(response: IncomingMessage): AsyncGenerator<Buffer> {
    try {
      for await (const chunk of response) yield chunk as Buffer;
    } catch (error) {
      throw this.#explain(error);
    }
  }

  /** Closes idle connections; those in use end with their signal. */
  close(): void {
    this.#agent.destroy();
  }

  async #text(response: IncomingMessage, timeoutMs: number): Promise<string> {
    const timer = setTimeout(() => response.destroy(new FairleadError('docker-timeout', LATE(timeoutMs))), timeoutMs);
    try {
      const kept: Buffer[] = [];
      let size = 0;
      for await (const chunk of this.chunks(response)) {
        size += chunk.length;
        if (size > MAX_ANSWER) throw new FairleadError('docker-answer', `Docker's answer exceeds ${MAX_ANSWER} bytes`);
        kept.push(chunk);
      }
      return Buffer.concat(kept).toString();
    } finally {
      clearTimeout(timer);
    }
  }

  #explain(error: unknown): unknown {
    if (error instanceof FairleadError) return error;
    const code = errorCode(error);
    if (code === 'EACCES' || code === 'EPERM') {
      return new FairleadError('docker-permission', `not allowed to open Docker's socket ${this.#socketPath}`, {
        remedy: 'run the agent as root, or as a member of the group that owns the socket',
        cause: error,
      });
    }
    return new FairleadError('docker-unavailable', `no Docker Engine answers at ${this.#socketPath}`, {
      remedy: 'start Docker, or set containers.docker to its socket or to "off"',
      cause: error,
    });
  }
}

const LATE = (timeoutMs: number) => `Docker did not answer within ${timeoutMs} ms`;

function refusal(status: number, path: string, said: string): FairleadError {
  let message = said;
  try {
    message = textAt(JSON.parse(said), 'message') ?? said;
  } catch {
    // Not JSON: shown as it is.
  }
  const code = status === 404 ? 'docker-not-found' : 'docker-api';
  return new FairleadError(code, `Docker refused ${path} with ${status}: ${printable(message.trim())}`);
}
