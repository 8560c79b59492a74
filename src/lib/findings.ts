import { didYouMean } from './suggest.ts';

/** One thing wrong with something a user wrote. */
export interface Finding {
  /** Keys and list positions that lead to it. */
  readonly path: readonly PropertyKey[];
  /** What is wrong and what is expected: `expected a whole number, got "abc"`. */
  readonly message: string;
}

/** What a schema library (zod) says of one thing while it looks for words; only what is used here. */
interface RawIssue {
  readonly code?: string | undefined;
  readonly input?: unknown;
  readonly expected?: unknown;
  readonly format?: unknown;
  readonly values?: readonly unknown[];
  readonly keys?: readonly string[];
  readonly minimum?: unknown;
  readonly maximum?: unknown;
  readonly inst?: unknown;
}

/** The same when it is finished. */
interface Issue {
  readonly path: readonly PropertyKey[];
  readonly message: string;
  readonly keys?: readonly string[];
}

interface Refusal {
  addIssue(message: string): void;
}

const NOUNS = new Map<unknown, string>([
  ['string', 'text'],
  ['number', 'a number'],
  ['int', 'a whole number'],
  ['boolean', 'true or false'],
  ['array', 'a list'],
  ['object', 'a map of keys'],
  ['record', 'a map of keys'],
]);

/** A value as an error shows it: short, printable, on one line. */
export function shown(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.length > 64 ? `${value.slice(0, 61)}...` : value);
  if (value === null || value === undefined) return 'nothing';
  if (Array.isArray(value)) return 'a list';
  return typeof value === 'object' ? 'a map of keys' : String(value);
}

/**
 * Turns a parser of the model into a schema's transform:
 * `z.string().transform(parsing(parseDuration, 'a duration such as 500ms or 5s'))`.
 */
export const parsing =
  <T>(parse: (text: string) => T | undefined, expected: string) =>
  (text: string, refusal: Refusal): T => {
    const value = parse(text);
    if (value === undefined) refusal.addIssue(`expected ${expected}, got ${shown(text)}`);
    // A schema with an issue yields no value, so nobody sees this one.
    return value as T;
  };

/** The keys a strict object schema knows, by its public definition. */
function knownKeys(schema: unknown): readonly string[] {
  const shape = typeof schema === 'object' && schema !== null && 'shape' in schema ? schema.shape : undefined;
  return typeof shape === 'object' && shape !== null ? Object.keys(shape) : [];
}

/** The error map for a schema's parse. For unknown keys one line each, which `findings` takes apart. */
export function explain(issue: RawIssue): string {
  const { code, input } = issue;
  switch (code) {
    case 'unrecognized_keys':
      return (issue.keys ?? []).map((key) => `unknown key${didYouMean(key, knownKeys(issue.inst))}`).join('\n');
    case 'invalid_value': {
      const values = (issue.values ?? []).map(String);
      return `expected ${values.join(', ')}, got ${shown(input)}${typeof input === 'string' ? didYouMean(input, values) : ''}`;
    }
    case 'invalid_type': {
      const expected = issue.format === 'safeint' ? 'int' : issue.expected;
      const noun = NOUNS.get(expected) ?? String(expected);
      return input === undefined ? `is missing: expected ${noun}` : `expected ${noun}, got ${shown(input)}`;
    }
    case 'too_small':
      return `expected at least ${issue.minimum}, got ${shown(input)}`;
    case 'too_big':
      return `expected at most ${issue.maximum}, got ${shown(input)}`;
    default:
      return `is not understood: ${shown(input)}`;
  }
}

/** A schema's finished issues as findings; each unknown key becomes one of its own. */
export function findings(issues: readonly Issue[]): readonly Finding[] {
  return issues.flatMap(({ path, message, keys }): Finding[] => {
    if (keys === undefined) return [{ path, message }];
    const lines = message.split('\n');
    return keys.map((key, index) => ({ path: [...path, key], message: lines[index] ?? 'unknown key' }));
  });
}

/** `dns.listen[0]`, with untrusted keys made printable. */
export function pathText(path: readonly PropertyKey[]): string {
  return path
    .map((step, index) => {
      if (typeof step === 'number') return `[${step}]`;
      const key = String(step);
      const plain = /^[\w-]{1,64}$/.test(key) ? key : shown(key);
      return index === 0 ? plain : `.${plain}`;
    })
    .join('');
}
