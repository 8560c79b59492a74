/** What an operator can act on: a stable code, what happened and where, and what to do about it. */
export class FairleadError extends Error {
  readonly code: string;
  /** What to do, as an instruction. */
  readonly remedy?: string;

  constructor(code: string, message: string, options: { remedy?: string; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'FairleadError';
    this.code = code;
    if (options.remedy !== undefined) this.remedy = options.remedy;
  }
}

/** The message of anything thrown, with its remedy and the messages of its causes. */
export function describeError(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const remedy = error instanceof FairleadError && error.remedy !== undefined ? ` (${error.remedy})` : '';
  const cause = error.cause === undefined ? '' : `: ${describeError(error.cause)}`;
  return `${error.message}${remedy}${cause}`;
}

/** The `code` of a Node system error (`ENOENT`, `ECONNREFUSED`, …) or of ours, if it has one. */
export function errorCode(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}
