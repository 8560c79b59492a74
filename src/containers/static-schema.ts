import { isIPv4, isIPv6 } from 'node:net';
import ipaddr from 'ipaddr.js';
import { z } from 'zod';
import { parsing } from '../lib/findings.ts';
import { parseDuration } from '../model/duration.ts';
import { parseName } from '../model/names.ts';
import { defaultPolicy, MAX_WEIGHT, parseAffinity } from '../model/policy.ts';

/** An endpoint is one machine: not "any address", not a group. */
const NOT_AN_ENDPOINT: ReadonlySet<string> = new Set(['unspecified', 'multicast', 'broadcast', 'ipv4Mapped']);

/** An address in its canonical spelling; undefined for anything traffic cannot be sent to. */
export function parseEndpointAddress(text: string): string | undefined {
  // ipaddr.js by itself takes `0x7f.1` for 127.0.0.1.
  if ((!isIPv4(text) && !isIPv6(text)) || text.includes('%')) return undefined;
  const address = ipaddr.parse(text);
  if (NOT_AN_ENDPOINT.has(address.range())) return undefined;
  return address instanceof ipaddr.IPv6 ? address.toRFC5952String() : address.toString();
}

export const parseVip = (text: string) => (text === 'auto' || text === 'none' ? text : parseEndpointAddress(text));

const HOST = /^(?:\*\.)?[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*$/;
export const parseRouteHost = (text: string) => {
  const host = text.toLowerCase();
  return host.length <= 253 && HOST.test(host) ? host : undefined;
};
/** RFC 3986 §3.3, as it goes on the wire: printable ASCII from the first slash on. */
export const parseUrlPath = (text: string) => (/^\/[\x21-\x7e]{0,1023}$/.test(text) ? text : undefined);
/** A cookie's name is a token (RFC 6265 §4.1.1). */
export const parseCookieName = (text: string) => (/^[\w!#$%&'*+.^`|~-]{1,128}$/.test(text) ? text : undefined);
const parseArgument = (text: string) => (text === '' || text.includes('\0') ? undefined : text);

const parsed = <T>(parse: (text: string) => T | undefined, expected: string) =>
  z.string().transform(parsing(parse, expected));

const name = () =>
  parsed(parseName, '1 to 63 letters, digits, "-" or "_" that begin and end with a letter or digit, without dots');
const duration = () => parsed((text) => parseDuration(text), 'a duration such as 500ms, 5s, 10m or 3h');
const interval = () =>
  parsed((text) => {
    const ms = parseDuration(text);
    return ms === undefined || ms < 100 ? undefined : ms;
  }, 'a duration such as 500ms or 5s, 100ms at least');
const portNumber = () => z.int().min(1).max(65_535);
const urlPath = () => parsed(parseUrlPath, 'a path such as /healthz');

const port = z.strictObject({
  name: name().optional(),
  port: portNumber(),
  protocol: z.enum(['tcp', 'udp']).prefault('tcp'),
  publish: portNumber().optional(),
});

const check = z
  .strictObject({
    http: urlPath().optional(),
    tcp: z.literal(true).optional(),
    exec: z.array(parsed(parseArgument, 'text')).min(1, 'expected a program and its arguments').optional(),
    interval: interval().prefault('2s'),
    timeout: interval().prefault('1s'),
    rise: z.int().min(1).max(100).prefault(2),
    fall: z.int().min(1).max(100).prefault(3),
  })
  .refine(({ http, tcp, exec }) => [http, tcp, exec].filter((probe) => probe !== undefined).length === 1, {
    error: 'expected exactly one of http, tcp and exec',
  });

const endpoint = z.strictObject({
  id: name(),
  address: parsed(parseEndpointAddress, 'an IPv4 or IPv6 address of one machine such as 10.1.1.2'),
  port: z.union([portNumber(), z.record(z.string(), portNumber())], {
    error: 'expected a port number, or a map from the name of each port to its number',
  }),
  weight: z.int().min(0).max(MAX_WEIGHT).prefault(1),
  check: check.optional(),
  relay: z.enum(['auto', 'always', 'never']).prefault('auto'),
});

const http = z.strictObject({
  host: parsed(parseRouteHost, 'a host name such as chat.example.com or *.example.com').optional(),
  path: urlPath().optional(),
  priority: z.int().min(-1000).max(1000).optional(),
  sticky: z
    .strictObject({
      cookie: parsed(parseCookieName, 'the name of a cookie such as connect.sid'),
      mode: z.enum(['prefix', 'insert', 'rewrite', 'learn']).prefault('prefix'),
    })
    .optional(),
});

/** One entry of `services:`, as the contract describes it; what concerns several keys is looked at in `static.ts`. */
export const serviceSchema = z.strictObject({
  name: name(),
  stack: name().optional(),
  ports: z.array(port).min(1, 'expected one port at least'),
  affinity: parsed(parseAffinity, 'none, client-ip or client-ip:3h').prefault('none'),
  traffic: z.enum(['cluster', 'prefer-local', 'local']).prefault(defaultPolicy.traffic),
  schedule: z.enum(['random', 'source-hash']).prefault(defaultPolicy.schedule),
  vip: parsed(parseVip, 'auto, none or an address').prefault(defaultPolicy.vip),
  drain: duration().prefault('10s'),
  http: http.optional(),
  endpoints: z.array(endpoint).min(1, 'expected one endpoint at least'),
});

export type ServiceEntry = z.output<typeof serviceSchema>;
export type EndpointEntry = ServiceEntry['endpoints'][number];
export type CheckEntry = z.output<typeof check>;
