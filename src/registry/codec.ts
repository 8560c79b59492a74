import { z } from 'zod';
import { explain, findings, parsing, pathText, shown } from '../lib/findings.ts';
import { parseName } from '../model/names.ts';
import { MAX_WEIGHT } from '../model/policy.ts';
import type { Problem, Registration } from '../model/service.ts';
import { canonicalAddress } from '../model/vip.ts';

/** The version of a row's JSON. Fields may be added within one; a reader ignores those it does not know. */
const ROW_VERSION = 1;

export type DecodedRow =
  | { readonly ok: true; readonly row: Registration }
  | { readonly ok: false; readonly problem: Problem };

/** One row as JSON text, the same text for the same row. */
export function encodeRow(row: Registration): string {
  const { ports, meta, ...rest } = row;
  return JSON.stringify({ v: ROW_VERSION, ...rest, ports: Object.fromEntries(ports), meta: Object.fromEntries(meta) });
}

/**
 * A row out of a store that others may write to. Nothing is believed: what passes has names, addresses and ports
 * that may stand in a rule. Never throws; `where` names the entry in the problem.
 */
export function decodeRow(text: string, where: string): DecodedRow {
  const refuse = (what: string): DecodedRow => ({
    ok: false,
    problem: {
      code: 'registry-row',
      subject: `registry entry ${shown(where)}`,
      message: `left out, for ${what}; restart the agent that wrote it, or remove it`,
    },
  });
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return refuse('it is not JSON');
  }
  const version = typeof json === 'object' && json !== null && 'v' in json ? json.v : undefined;
  if (version !== ROW_VERSION) return refuse(`its version is ${shown(version)} and this agent reads ${ROW_VERSION}`);
  const result = ROW.safeParse(json, { error: explain });
  if (result.success) return { ok: true, row: result.data };
  const [first] = findings(result.error.issues);
  return refuse(first === undefined ? 'it is not understood' : `${pathText(first.path)} ${first.message}`);
}

const name = z.string().transform(parsing(parseName, 'a name of letters, digits, "-" and "_"'));
const address = z.string().transform(parsing(canonicalAddress, 'an IPv4 or IPv6 address'));
const port = z.int().min(1).max(65_535);

/** A host's name: labels as in a service's name, with dots between them. */
const nodeName = z.string().regex(/^[a-z0-9](?:[a-z0-9_.-]{0,251}[a-z0-9])?$/i);

/** `<node>/<local id>`, of characters that mean nothing to a shell, a rule or a URL's query. */
const id = z.string().regex(/^[\w.-]{1,253}\/[\w.:@/+-]{1,255}$/);

/** What people read: any text, bounded. */
const text = z.string().max(1024);

const record = <T extends z.ZodType>(value: T, limit: number) =>
  z.record(z.string().max(256), value).transform((entries, context) => {
    const map = new Map(Object.entries(entries));
    if (map.size > limit) context.addIssue(`expected at most ${limit} entries, got ${map.size}`);
    return map;
  });

const SERVICE_PORT = z.object({ name, port, protocol: z.enum(['tcp', 'udp']), publish: port.optional() });

const AFFINITY = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('none') }),
  z.object({ kind: z.literal('client-ip'), timeoutMs: z.int().min(1000).optional() }),
]);

const HTTP = z.object({
  host: text.optional(),
  path: text.optional(),
  priority: z.number().optional(),
  sticky: z.object({ cookie: text, mode: z.enum(['prefix', 'insert', 'rewrite', 'learn']) }).optional(),
});

const POLICY = z.object({
  ports: z.array(SERVICE_PORT).max(256),
  affinity: AFFINITY,
  traffic: z.enum(['cluster', 'prefer-local', 'local']),
  schedule: z.enum(['random', 'source-hash']),
  vip: z.union([z.enum(['auto', 'none']), address], { error: 'expected auto, none or an address' }),
  drainMs: z.int().min(0),
  http: HTTP.optional(),
});

const ROW = z
  .object({
    id,
    node: nodeName,
    service: z.object({ name, stack: name.optional() }),
    policy: POLICY,
    address,
    address6: address.optional(),
    ports: record(port, 256),
    weight: z.int().min(0).max(MAX_WEIGHT),
    tags: z.array(text).max(256),
    meta: record(text, 256),
    container: z.object({ id: text, name: text, image: text }).optional(),
    relay: z.enum(['auto', 'always', 'never']),
    state: z.enum(['passing', 'warning', 'critical', 'draining']),
    reason: text,
  })
  .refine((row) => row.id.startsWith(`${row.node}/`), { path: ['id'], error: 'does not begin with its node' });
