import { once } from 'node:events';
import { request as httpRequest, type IncomingMessage, type RequestOptions } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { z } from 'zod';
import { errorJson } from '../admin/json.ts';
import { FairleadError } from '../lib/errors.ts';
import { pathText } from '../lib/findings.ts';

export interface AdminClientOptions {
  /** `http://127.0.0.1:7470`, https, or `unix:///run/fairlead.sock`. */
  readonly url: string;
  /** Empty for none. */
  readonly token: string;
  /** An agent that sends nothing for so long is given up. Longer than the heartbeats of `/v1/events`. */
  readonly timeoutMs?: number;
}

/** The longest answer that is read: 10,000 services with their endpoints are 10 MB. */
const MAX_ANSWER = 256 * 1024 * 1024;

/**
 * The admin API as the commands use it. Throws `usage` for a URL that is none, `agent-unreachable`, `bad-answer` for
 * what no agent says, and the agent's own errors with their codes.
 */
export class AdminClient {
  readonly #options: AdminClientOptions;
  readonly #target: RequestOptions;
  readonly #basePath: string;

  constructor(options: AdminClientOptions) {
    this.#options = options;
    const { target, basePath } = parseAdminUrl(options.url);
    this.#target = target;
    this.#basePath = basePath;
  }

  async get(path: string): Promise<unknown> {
    return await this.#json('GET', path);
  }

  async post(path: string): Promise<unknown> {
    return await this.#json('POST', path);
  }

  /** The data of every server-sent event, parsed; ends when the agent ends it or the signal aborts. */
  async *events(path: string, signal?: AbortSignal): AsyncGenerator<unknown> {
    const response = await this.#send('GET', path, signal);
    if (response.statusCode !== 200) throw this.#refusal(response, await this.#body(response));
    try {
      // An agent writes each event's data on one line.
      for await (const line of lines(response)) {
        if (line.startsWith('data: ')) yield this.#parse(line.slice('data: '.length));
      }
    } catch (cause) {
      if (cause instanceof FairleadError) throw cause;
      if (signal?.aborted !== true) throw this.#unreachable(cause);
    } finally {
      response.destroy();
    }
  }

  /** What the agent said, in the shape that is expected of it. */
  decode<T>(schema: z.ZodType<T>, value: unknown): T {
    const result = schema.safeParse(value);
    if (result.success) return result.data;
    const [issue] = result.error.issues;
    throw this.#badAnswer(new Error(`${pathText(issue?.path ?? [])} ${issue?.message}`));
  }

  async #json(method: string, path: string): Promise<unknown> {
    const response = await this.#send(method, path);
    const body = await this.#body(response);
    if (response.statusCode !== 200) throw this.#refusal(response, body);
    return this.#parse(body);
  }

  async #send(method: string, path: string, signal?: AbortSignal): Promise<IncomingMessage> {
    const { token, timeoutMs = 60_000 } = this.#options;
    const send = this.#target.protocol === 'https:' ? httpsRequest : httpRequest;
    const request = send({
      ...this.#target,
      method,
      path: this.#basePath + path,
      headers: { accept: 'application/json', ...(token === '' ? {} : { authorization: `Bearer ${token}` }) },
      timeout: timeoutMs,
      ...(signal === undefined ? {} : { signal }),
    });
    // After the response it is the body's reader who is told.
    request.on('error', () => {});
    request.on('timeout', () => request.destroy(new Error(`silent for ${timeoutMs} ms`)));
    request.end();
    try {
      const [response] = (await once(request, 'response')) as [IncomingMessage];
      return response;
    } catch (cause) {
      throw this.#unreachable(cause);
    }
  }

  async #body(response: IncomingMessage): Promise<string> {
    const chunks: Buffer[] = [];
    let size = 0;
    try {
      for await (const chunk of response as AsyncIterable<Buffer>) {
        size += chunk.length;
        if (size > MAX_ANSWER) throw this.#badAnswer(new Error(`more than ${MAX_ANSWER} bytes`));
        chunks.push(chunk);
      }
    } catch (cause) {
      throw cause instanceof FairleadError ? cause : this.#unreachable(cause);
    }
    return Buffer.concat(chunks).toString();
  }

  #parse(text: string): unknown {
    try {
      return JSON.parse(text);
    } catch (cause) {
      throw this.#badAnswer(cause);
    }
  }

  #refusal({ statusCode }: IncomingMessage, body: string): FairleadError {
    const { error } = this.decode(errorJson, this.#parse(body));
    const remedy = 'give it with FAIRLEAD_ADMIN_TOKEN';
    return new FairleadError(error.code, error.message, statusCode === 401 ? { remedy } : {});
  }

  #unreachable(cause: unknown): FairleadError {
    const remedy = 'start it with `fairlead agent`, or say where it is with --admin or FAIRLEAD_ADMIN';
    return new FairleadError('agent-unreachable', `no agent answers at ${this.#options.url}`, { remedy, cause });
  }

  #badAnswer(cause: unknown): FairleadError {
    const remedy = 'does --admin point at one, and is it of this version?';
    return new FairleadError('bad-answer', `${this.#options.url} does not answer as an agent does`, { remedy, cause });
  }
}

async function* lines(response: IncomingMessage): AsyncGenerator<string> {
  let line = '';
  for await (const chunk of response.setEncoding('utf8') as AsyncIterable<string>) {
    const [end = '', ...others] = chunk.split('\n');
    line += end;
    for (const next of others) {
      yield line;
      line = next;
    }
  }
}

function parseAdminUrl(text: string): { readonly target: RequestOptions; readonly basePath: string } {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol === 'unix:' && url.host === '' && url.pathname.length > 1) {
    return { target: { socketPath: decodeURI(url.pathname) }, basePath: '' };
  }
  if (url === undefined || !['http:', 'https:'].includes(url.protocol)) {
    const remedy = 'write http://127.0.0.1:7470 or unix:///run/fairlead.sock';
    throw new FairleadError('usage', `${JSON.stringify(text)} is not the address of an agent`, { remedy });
  }
  const { protocol, hostname, port, pathname } = url;
  const target = { protocol, hostname: hostname.replace(/^\[|\]$/g, ''), port };
  return { target, basePath: pathname.replace(/\/$/, '') };
}
