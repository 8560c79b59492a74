import { z } from 'zod';
import { parsing } from '../lib/findings.ts';
import { formatDuration, parseDuration } from '../model/duration.ts';
import { parseName } from '../model/names.ts';
import {
  parseAddress,
  parseCidr,
  parseDomain,
  parseHostPort,
  parseListen,
  parsePortRange,
  parseUnixUrl,
  parseVipCidr,
  parseVipCidr6,
} from './address.ts';

/** What the reference and the environment need to know of an option beside its schema. */
export interface OptionMeta {
  /** For the reference: `duration`, `list of addresses`. */
  readonly type: string;
  /** How one line of text (environment, `--set`) becomes a value: as it is, split at commas, or read as YAML. */
  readonly reads: 'text' | 'list' | 'yaml';
  readonly help?: string;
  /** As a user would write it; absent where the option has none. */
  readonly default?: unknown;
}

const METAS = z.registry<OptionMeta>();

/** What was said of an option or a field; undefined for a section. */
export const optionMeta = (schema: z.core.$ZodType): OptionMeta | undefined => METAS.get(schema);

function field<S extends z.ZodType>(schema: S, type: string, reads: OptionMeta['reads'] = 'text'): S {
  METAS.add(schema, { type, reads });
  return schema;
}

function parsed<T>(type: string, parse: (text: string) => T | undefined, expected: string) {
  return field(z.string().transform(parsing(parse, expected)), type);
}

export const text = () => field(z.string(), 'text');
/** Its value appears in no message. */
export const secret = () => field(z.string('expected text in quotes'), 'secret');
export const flag = () => field(z.boolean(), 'true or false', 'yaml');
export const count = (min: number, max: number) => field(z.int().min(min).max(max), `whole number`, 'yaml');
export const oneOf = <const T extends readonly [string, ...string[]]>(values: T) =>
  field(z.enum(values), values.join(', '));

export const name = () =>
  parsed(
    'name',
    parseName,
    '1 to 63 letters, digits, "-" or "_" that begin and end with a letter or digit, without dots',
  );
export const duration = (minMs = 0) =>
  parsed(
    'duration',
    (value) => {
      const ms = parseDuration(value);
      return ms === undefined || ms < minMs ? undefined : ms;
    },
    `a duration such as 500ms, 5s, 10m or 3h${minMs > 0 ? `, ${formatDuration(minMs)} at least` : ''}`,
  );
export const path = () =>
  parsed('path', (value) => (value === '' || value.includes('\0') ? undefined : value), 'the path of a file or folder');
export const address = () => parsed('address', parseAddress, 'an IPv4 or IPv6 address such as 192.168.50.11');
export const cidr = () =>
  parsed('network', parseCidr, 'a network such as 10.1.0.0/16 or fd00::/64 (no bits set after the prefix)');
export const vipCidr = () =>
  parsed('network', parseVipCidr, 'an IPv4 network from /8 to /30 such as 10.96.0.0/16 (no bits set after the prefix)');
export const vipCidr6 = () =>
  parsed('network', parseVipCidr6, 'an IPv6 network from /64 to /126 such as fd00:f1::/112, or nothing');
export const listen = () =>
  parsed('listen address', parseListen, 'an address and port such as 127.0.0.1:7470, or unix:///run/fairlead.sock');
export const hostPort = () =>
  parsed('address:port', (value) => parseHostPort(value), 'an address and port such as 127.0.0.1:53 or [::1]:53');
export const dnsServer = () =>
  parsed(
    'address[:port]',
    (value) => parseHostPort(value, 53),
    'a server such as 192.168.50.1, 192.168.50.1:5353 or [fd00::1]:53',
  );
export const domain = () => parsed('domain', parseDomain, 'a domain such as fairlead.internal');
export const portRange = () => parsed('port range', parsePortRange, 'a range of ports such as 30000-32767');
export const httpUrl = () => parsed('URL', parseHttpUrl, 'a URL such as http://127.0.0.1:8500');
export const dockerSocket = () => parsed('unix URL or off', parseDocker, 'unix:///path/of/docker.sock or off');

/** Docker's socket; `tcp://` is left out on purpose: the containers of another host are not this node's. */
export type DockerEndpoint = { readonly kind: 'off' } | { readonly kind: 'unix'; readonly path: string };

function parseDocker(value: string): DockerEndpoint | undefined {
  if (value === 'off') return { kind: 'off' };
  const socket = parseUnixUrl(value);
  return socket === undefined ? undefined : { kind: 'unix', path: socket };
}

function parseHttpUrl(value: string): string | undefined {
  const url = URL.parse(value);
  return url?.protocol === 'http:' || url?.protocol === 'https:' ? value : undefined;
}

export const list = <S extends z.ZodType>(item: S) =>
  field(z.array(item).readonly(), `list of ${optionMeta(item)?.type ?? 'maps'}`, optionMeta(item) ? 'list' : 'yaml');

export const mapOf = <S extends z.ZodType>(key: ReturnType<typeof domain>, value: S) =>
  field(z.record(key, value).readonly(), `map from ${optionMeta(key)?.type} to ${optionMeta(value)?.type}`, 'yaml');

/** An option that has a default, written as a user would write it, and read in the same way. */
export function option<S extends z.ZodType>(type: S, byDefault: z.input<S>, help: string) {
  const schema = z.prefault(type, byDefault);
  describe(schema, type, { help, default: byDefault });
  return schema;
}

/** An option that may be left out; `help` says what happens then. */
export function optional<S extends z.ZodType>(type: S, help: string) {
  const schema = z.optional(type);
  describe(schema, type, { help });
  return schema;
}

/** An option whose default this host decides; `help` says how. */
export function computed<S extends z.ZodType>(type: S, value: () => z.input<S>, help: string) {
  const schema = z.prefault(type, value);
  describe(schema, type, { help });
  return schema;
}

function describe(schema: z.ZodType, type: z.ZodType, about: Pick<OptionMeta, 'help' | 'default'>): void {
  METAS.add(schema, { ...(optionMeta(type) ?? { type: 'maps', reads: 'yaml' }), ...about });
}

/** Says what is wrong with one key of a section, beside the others'. */
type Refuse = (key: string, message: string) => void;

/**
 * A part of the file: its keys are known, and it may be left out whole.
 * `rule` looks at keys together; it runs when each by itself is right.
 */
export function section<S extends z.core.$ZodLooseShape>(
  shape: S,
  rule: (value: z.output<z.ZodObject<S>>, refuse: Refuse) => void = () => {},
) {
  const object = z.strictObject(shape).superRefine((value, context) => {
    rule(value, (key, message) => context.addIssue({ code: 'custom', path: [key], message }));
  });
  return z.prefault(object.readonly(), {} as never);
}
