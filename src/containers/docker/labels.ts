import { isIPv4 } from 'node:net';
import { suggest } from '../../lib/suggest.ts';
import { parseDuration } from '../../model/duration.ts';
import { nameRule, parseName, printable } from '../../model/names.ts';
import { MAX_WEIGHT, parseAffinity, parseSchedule, parseTraffic } from '../../model/policy.ts';
import { parseCookieName, parseRouteHost, parseUrlPath, parseVip } from '../static-schema.ts';
import { parsePorts, parsePublications } from './ports.ts';

interface LabelRule<T> {
  readonly parse: (text: string) => T | undefined;
  /** Completes "expected …"; absent where `explain` says more. */
  readonly expected: string;
}

const rule = <T>(parse: LabelRule<T>['parse'], expected: string): LabelRule<T> => ({ parse, expected });
const name = rule(parseName, 'a name');
const interval = rule(atLeast(100), 'a duration such as 500ms or 5s, 100ms at least');

/** Every `fairlead.*` label there is (contract: Labels on containers). */
const RULES = {
  enable: rule(parseBoolean, 'true or false'),
  name,
  stack: name,
  port: rule(parsePorts, 'ports such as 80:3000/tcp or http=80:3000,443, each named and numbered once'),
  publish: rule(parsePublications, 'ports such as 8080:80/tcp (port on every node : VIP port), each side once'),
  weight: rule(integer(0, MAX_WEIGHT), `a whole number from 0 to ${MAX_WEIGHT}`),
  vip: rule(parseVip, 'auto, none or an address'),
  affinity: rule(parseAffinity, 'none, client-ip or client-ip:3h'),
  traffic: rule(parseTraffic, 'cluster, prefer-local or local'),
  schedule: rule(parseSchedule, 'random or source-hash'),
  drain: rule(atLeast(0), 'a duration such as 500ms, 5s, 10m or 3h'),
  'check.http': rule(parseUrlPath, 'a path such as /healthz'),
  'check.tcp': rule(parseBoolean, 'true or false'),
  'check.exec': rule(parseCommand, 'a command, or a JSON list of a program and its arguments'),
  'check.interval': interval,
  'check.timeout': interval,
  'check.rise': rule(integer(1, 100), 'a whole number from 1 to 100'),
  'check.fall': rule(integer(1, 100), 'a whole number from 1 to 100'),
  'http.host': rule(parseRouteHost, 'a host name such as chat.example.com or *.example.com'),
  'http.path': rule(parseUrlPath, 'a path such as /chat'),
  'http.priority': rule(integer(-1000, 1000), 'a whole number from -1000 to 1000'),
  'http.sticky': rule(parseCookieName, 'the name of a cookie such as connect.sid'),
  'http.sticky.mode': rule(parseStickyMode, 'prefix, insert, rewrite or learn'),
  ip: rule(parseFixedAddress, 'an address such as 192.168.116.114/24@192.168.116.1 (the gateway may be left out)'),
  bridge: rule((text) => (/^[\w.:-]{1,15}$/.test(text) ? text : undefined), 'the name of a bridge on this host'),
  network: rule((text) => (text === '' ? undefined : text), "the name of one of the container's networks"),
} as const;

type Rules = typeof RULES;

/** What a container's `fairlead.*` labels say, parsed. */
export type Settings = {
  readonly [K in keyof Rules]?: Exclude<ReturnType<Rules[K]['parse']>, undefined>;
};

const PREFIX = 'fairlead.';
const known = new Map<string, LabelRule<unknown>>(Object.entries(RULES));

/** Reads all `fairlead.*` labels; each one that is not understood is an error of one line. */
export function readLabels(labels: ReadonlyMap<string, string>): {
  readonly settings: Settings;
  readonly errors: readonly string[];
} {
  const settings = new Map<string, unknown>();
  const errors: string[] = [];
  for (const [label, text] of labels) {
    if (!label.startsWith(PREFIX)) continue;
    const key = label.slice(PREFIX.length);
    const found = known.get(key);
    const value = found?.parse(text.trim());
    if (found === undefined) errors.push(`unknown label ${printable(label)}${meant(key)}`);
    else if (value !== undefined) settings.set(key, value);
    else if (found === name) errors.push(`${label}: ${nameRule(text)}`);
    else errors.push(`${label}: expected ${found.expected}, got ${printable(text)}`);
  }
  return { settings: Object.fromEntries(settings) as Settings, errors };
}

function meant(key: string): string {
  const near = suggest(key, [...known.keys()]);
  return near === undefined ? '' : `; did you mean "${PREFIX}${near}"?`;
}

export function parseBoolean(text: string): boolean | undefined {
  const lower = text.toLowerCase();
  return lower === 'true' ? true : lower === 'false' ? false : undefined;
}

function integer(min: number, max: number): (text: string) => number | undefined {
  return (text) => {
    const value = /^-?\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
    return value >= min && value <= max ? value : undefined;
  };
}

function atLeast(minMs: number): (text: string) => number | undefined {
  return (text) => {
    const ms = parseDuration(text);
    return ms !== undefined && ms >= minMs ? ms : undefined;
  };
}

/** As Docker's HEALTHCHECK has it: a JSON list is run as it is, anything else by the container's own shell. */
export function parseCommand(text: string): readonly string[] | undefined {
  if (text === '' || text.includes('\0')) return undefined;
  if (!text.startsWith('[')) return ['/bin/sh', '-c', text];
  try {
    const list: unknown = JSON.parse(text);
    const ok = Array.isArray(list) && list.length > 0 && list.every((word) => typeof word === 'string');
    return ok && list[0] !== '' ? list : undefined;
  } catch {
    // `[ -f /tmp/ready ]` is a command of the shell.
    return ['/bin/sh', '-c', text];
  }
}

function parseStickyMode(text: string): 'prefix' | 'insert' | 'rewrite' | 'learn' | undefined {
  return text === 'prefix' || text === 'insert' || text === 'rewrite' || text === 'learn' ? text : undefined;
}

/** Only checked here: giving the address to the container is another part's work. */
function parseFixedAddress(text: string): string | undefined {
  const [, address = '', prefix, gateway] = /^([\d.]+)\/(\d{1,2})(?:@([\d.]+))?$/.exec(text) ?? [];
  const fits = isIPv4(address) && Number(prefix) >= 1 && Number(prefix) <= 32;
  return fits && (gateway === undefined || isIPv4(gateway)) ? text : undefined;
}
