import type { Container } from './container.ts';

/**
 * Registrator's `SERVICE_*` and `SERVICE_<port>_*`, keys in lower case: `name`, `tags`, `check_http`, …
 * Labels win over environment variables of the same key.
 */
export interface ServiceVariables {
  readonly common: ReadonlyMap<string, string>;
  /** By container port. */
  readonly perPort: ReadonlyMap<number, ReadonlyMap<string, string>>;
}

const VARIABLE = /^SERVICE_(?:(\d{1,5})_)?(.+)$/s;

export function readServiceVariables({ env, labels }: Pick<Container, 'env' | 'labels'>): ServiceVariables {
  const common = new Map<string, string>();
  const perPort = new Map<number, Map<string, string>>();
  for (const [variable, value] of [...env, ...labels]) {
    const [, port, key] = VARIABLE.exec(variable) ?? [];
    if (key === undefined) continue;
    const of = port === undefined ? common : (perPort.get(Number(port)) ?? new Map<string, string>());
    of.set(key.toLowerCase(), value);
    if (port !== undefined) perPort.set(Number(port), of);
  }
  return { common, perPort };
}

/** What holds for a service with these container ports: the first port's own variables, the others', the common ones. */
export function variablesOf(
  { common, perPort }: ServiceVariables,
  containerPorts: readonly number[],
): ReadonlyMap<string, string> {
  const own = containerPorts.toReversed().flatMap((port) => [...(perPort.get(port) ?? [])]);
  return new Map([...common, ...own]);
}

/** `a,b\,c` → `a`, `b,c`; control characters, which no catalog takes, become spaces. */
export function parseTags(text: string): readonly string[] {
  const tags = text
    .split(/(?<!\\),/)
    .map((tag) =>
      tag
        .replaceAll('\\,', ',')
        .replaceAll(/\p{Cc}/gu, ' ')
        .trim(),
    )
    .filter((tag) => tag !== '');
  return [...new Set(tags)];
}

/** What is understood and therefore no metadata. */
const UNDERSTOOD: ReadonlySet<string> = new Set([
  'name',
  'tags',
  'ignore',
  'check_http',
  'check_tcp',
  'check_script',
  'check_cmd',
  'check_interval',
  'check_timeout',
]);

/** Consul's own bounds of service metadata; Registrator fails the registration where they are exceeded. */
const META_KEY = /^[a-z0-9_-]{1,128}$/;
const MAX_META_VALUE = 512;

/** Any other variable, as metadata: `SERVICE_REGION=eu` → `region: eu`. What no catalog could hold is left out. */
export function metaOf(variables: ReadonlyMap<string, string>): ReadonlyMap<string, string> {
  return new Map(
    [...variables]
      .filter(
        ([key, value]) => !UNDERSTOOD.has(key) && META_KEY.test(key) && Buffer.byteLength(value) <= MAX_META_VALUE,
      )
      .sort(([a], [b]) => (a < b ? -1 : 1)),
  );
}
