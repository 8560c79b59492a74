import type { Query } from './wire/query.ts';
import type { Transport } from './wire/response.ts';

/** The steps of the chain that can answer, in its order; label values of the metrics. */
export const HANDLERS = ['guard', 'access', 'local', 'special', 'route', 'forward'] as const;
export type Handler = (typeof HANDLERS)[number];

/** One request as it arrived. */
export interface Request {
  readonly packet: Buffer;
  /** The client's address. */
  readonly client: string;
  readonly transport: Transport;
}

/** A request behind the parse guard. */
export interface Question extends Request {
  readonly query: Query;
}

export interface Reply {
  readonly handler: Handler;
  readonly bytes: Buffer;
  readonly rcode: number;
  /** 0 where the question could not be read. */
  readonly type: number;
}
