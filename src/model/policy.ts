import { parseDuration } from './duration.ts';
import type { Affinity, Schedule, ServicePolicy, Traffic } from './service.ts';

/** What a service gets where its labels or its entry say nothing. */
export const defaultPolicy: Omit<ServicePolicy, 'ports'> = {
  affinity: { kind: 'none' },
  traffic: 'cluster',
  schedule: 'random',
  vip: 'auto',
  drainMs: 10_000,
};

/** `none`, `client-ip`, `client-ip:3h`. */
export function parseAffinity(text: string): Affinity | undefined {
  if (text === 'none') return { kind: 'none' };
  if (text === 'client-ip') return { kind: 'client-ip' };
  const timeoutMs = text.startsWith('client-ip:') ? parseDuration(text.slice('client-ip:'.length)) : undefined;
  return timeoutMs === undefined || timeoutMs < 1000 ? undefined : { kind: 'client-ip', timeoutMs };
}

const TRAFFIC: readonly string[] = ['cluster', 'prefer-local', 'local'] satisfies Traffic[];
const SCHEDULE: readonly string[] = ['random', 'source-hash'] satisfies Schedule[];

const isTraffic = (text: string): text is Traffic => TRAFFIC.includes(text);
const isSchedule = (text: string): text is Schedule => SCHEDULE.includes(text);

export const parseTraffic = (text: string): Traffic | undefined => (isTraffic(text) ? text : undefined);
export const parseSchedule = (text: string): Schedule | undefined => (isSchedule(text) ? text : undefined);

/** A port number 1–65535 in plain decimal. */
export function parsePort(text: string): number | undefined {
  const port = /^[1-9]\d{0,4}$/.test(text) ? Number(text) : undefined;
  return port !== undefined && port <= 65_535 ? port : undefined;
}

/** The largest weight of an endpoint; 0 keeps it out of rotation without draining it. */
export const MAX_WEIGHT = 256;
