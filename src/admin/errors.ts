import type { Context } from 'hono';
import { describeError, FairleadError } from '../lib/errors.ts';

export type ErrorStatus = 400 | 401 | 403 | 404 | 405 | 409 | 413 | 500 | 503;

/** What codes of the agent mean in HTTP; all others are 500. */
const STATUS: ReadonlyMap<string, ErrorStatus> = new Map([
  ['bad-request', 400],
  ['dns-name', 400],
  ['dns-type', 400],
  ['mesh-off', 409],
  ['not-ready', 503],
  ['registry-unavailable', 503],
]);

export interface ApiError {
  readonly code: string;
  readonly message: string;
  /** More for programs: candidates, what is not ready. */
  readonly details?: unknown;
}

/** Every refusal has this one shape. */
export const refuse = (c: Context, status: ErrorStatus, error: ApiError): Response => c.json({ error }, status);

/** An operator's error as it is; a bug is for the log, and only said to be there. */
export function refuseThrown(c: Context, error: unknown): Response {
  if (error instanceof FairleadError) {
    return refuse(c, STATUS.get(error.code) ?? 500, { code: error.code, message: describeError(error) });
  }
  return refuse(c, 500, { code: 'internal', message: 'the agent failed; its log says how' });
}
