import type { EndpointState, Health, Problem } from './service.ts';

/** What an endpoint with an active check is before its first result. */
export const notChecked: Health = { state: 'critical', reason: 'not checked yet' };

const RANK: Record<EndpointState, number> = { passing: 0, warning: 1, critical: 2, draining: 3 };

/**
 * What the source says (Docker, a pause, a SIGTERM) and what the check found: the worse wins, and draining over all,
 * for an endpoint on its way out may well stop answering while its connections finish.
 */
export const combineHealth = (source: Health, check: Health): Health =>
  RANK[check.state] > RANK[source.state] ? check : source;

/** `next`, or `previous` itself when they say the same: unchanged problems never make a new table. */
export function keepProblems(previous: readonly Problem[], next: readonly Problem[]): readonly Problem[] {
  const same =
    previous.length === next.length &&
    previous.every((problem, i) => {
      const other = next[i];
      return problem.code === other?.code && problem.subject === other.subject && problem.message === other.message;
    });
  return same ? previous : next;
}
