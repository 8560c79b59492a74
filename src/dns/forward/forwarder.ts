import type { Clock } from '../../lib/clock.ts';
import { describeError, errorCode } from '../../lib/errors.ts';
import type { Logger } from '../../lib/logger.ts';
import type { SocketAddress } from '../address.ts';
import type { Question } from '../handler.ts';
import type { DnsMetrics } from '../metrics.ts';
import { Rcode } from '../wire/codes.ts';
import type { Query } from '../wire/query.ts';
import { encodeEmpty, headerRcode, responseLimit } from '../wire/response.ts';
import { type Exchange, exchangeTcp, exchangeUdp } from './exchange.ts';
import { answersMessage, isTruncated, relayMessage, upstreamMessage } from './upstream-message.ts';
import type { Servers, Upstreams } from './upstreams.ts';

export interface ForwarderOptions {
  readonly upstreams: Upstreams;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: DnsMetrics;
  /** For one question, all servers and attempts together; below the 5 s after which resolvers ask again. */
  readonly deadlineMs?: number;
  /** For the first round of attempts; doubled in each next one. */
  readonly attemptMs?: number;
  /** Questions under way at once; each holds a socket. */
  readonly maxConcurrent?: number;
}

export interface Forwarded {
  readonly bytes: Buffer;
  readonly rcode: number;
}

/** Rounds through all servers before giving up, so that one lost datagram is not a failure. */
const ROUNDS = 3;

/** Asks upstream servers, one after another, until one has an answer or time is up. */
export class Forwarder {
  readonly #options: ForwarderOptions;
  readonly #deadlineMs: number;
  readonly #attemptMs: number;
  readonly #maxConcurrent: number;
  #concurrent = 0;

  constructor(options: ForwarderOptions) {
    this.#options = options;
    this.#deadlineMs = options.deadlineMs ?? 4500;
    this.#attemptMs = options.attemptMs ?? 800;
    this.#maxConcurrent = options.maxConcurrent ?? 512;
  }

  serversFor(labels: readonly string[]): Servers {
    return this.#options.upstreams.serversFor(labels);
  }

  /** Never rejects: what no server answers is SERVFAIL, and so is what comes while too many are under way. */
  async forward({ query, transport }: Question, servers: readonly SocketAddress[]): Promise<Forwarded> {
    if (this.#concurrent >= this.#maxConcurrent) {
      this.#options.metrics.upstream('overload');
      return serverFailure(query);
    }
    this.#concurrent++;
    try {
      const response = await this.#ask(query, servers);
      if (response === undefined) return serverFailure(query);
      return { bytes: relayMessage(response, query, responseLimit(query, transport)), rcode: headerRcode(response) };
    } finally {
      this.#concurrent--;
    }
  }

  async #ask(query: Query, servers: readonly SocketAddress[]): Promise<Buffer | undefined> {
    const { clock } = this.#options;
    const deadline = clock.monotonic() + this.#deadlineMs;
    for (let round = 0; round < ROUNDS; round++) {
      for (const server of servers) {
        const left = deadline - clock.monotonic();
        if (left <= 0) return undefined;
        const timeoutMs = Math.min(left, this.#attemptMs * 2 ** round);
        const response = await this.#attempt(query, server, { timeoutMs, deadline });
        if (response !== undefined) return response;
      }
    }
    return undefined;
  }

  /** One server's answer; undefined where another should be asked. */
  async #attempt(
    query: Query,
    server: SocketAddress,
    { timeoutMs, deadline }: { timeoutMs: number; deadline: number },
  ): Promise<Buffer | undefined> {
    const { clock, log, metrics } = this.#options;
    const message = upstreamMessage(query);
    const isAnswer = (response: Buffer) => answersMessage(message, response, query);
    const exchange: Exchange = { server, message, isAnswer, timeoutMs };
    try {
      const response = await exchangeUdp(exchange);
      const whole = isTruncated(response)
        ? await this.#retryOverTcp(exchange, response, deadline - clock.monotonic())
        : response;
      const usable = headerRcode(whole) === Rcode.NOERROR || headerRcode(whole) === Rcode.NXDOMAIN;
      metrics.upstream(usable ? 'answered' : 'failed');
      return usable ? whole : undefined;
    } catch (error) {
      metrics.upstream(errorCode(error) === 'upstream-timeout' ? 'timeout' : 'failed');
      log.debug({ server: server.address, error: describeError(error) }, 'upstream DNS server did not answer');
      return undefined;
    }
  }

  /** Where TCP fails the truncated answer is still one: its client learns from TC that there is more. */
  async #retryOverTcp(exchange: Exchange, truncated: Buffer, leftMs: number): Promise<Buffer> {
    try {
      return await exchangeTcp({ ...exchange, timeoutMs: Math.max(leftMs, 1) });
    } catch (error) {
      this.#options.log.debug({ server: exchange.server.address, error: describeError(error) }, 'no answer over TCP');
      return truncated;
    }
  }
}

const serverFailure = (query: Query): Forwarded => ({
  bytes: encodeEmpty(query, Rcode.SERVFAIL),
  rcode: Rcode.SERVFAIL,
});
