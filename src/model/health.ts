import type { EndpointState, Health } from './service.ts';

/** What an endpoint with an active check is before its first result. */
export const notChecked: Health = { state: 'critical', reason: 'not checked yet' };

const RANK: Record<EndpointState, number> = { passing: 0, warning: 1, critical: 2, draining: 3 };

/**
 * What the source says (Docker, a pause, a SIGTERM) and what the check found: the worse wins, and draining over all,
 * for an endpoint on its way out may well stop answering while its connections finish.
 */
export const combineHealth = (source: Health, check: Health): Health =>
  RANK[check.state] > RANK[source.state] ? check : source;
