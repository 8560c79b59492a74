import {
  isMap,
  isNode,
  isPair,
  isSeq,
  LineCounter,
  type Node,
  parseDocument,
  type YAMLParseError,
  type YAMLWarning,
} from 'yaml';
import { describeError, FairleadError } from '../lib/errors.ts';
import { type Finding, shown } from '../lib/findings.ts';

/** A YAML text as a value, with the way back from a path to its line. */
export interface ConfigDocument {
  readonly value: unknown;
  /** The line of a key or list item, from 1; of the nearest one above it where that is not in the text. */
  lineOf(path: readonly PropertyKey[]): number | undefined;
  /** Faults of the text itself, each with its line. */
  readonly faults: readonly (Finding & { readonly line?: number })[];
}

/** Reads YAML (JSON is YAML). With a fault that leaves its meaning open, `value` is undefined. */
export function readDocument(text: string): ConfigDocument {
  const lines = new LineCounter();
  const lineAt = (offset: number) => lines.linePos(offset).line;
  try {
    const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, logLevel: 'error' });
    const said = [...document.errors, ...document.warnings];
    const faults = said.slice(0, MAX_FAULTS).map((fault) => ({
      path: [],
      message: faultText(fault, text),
      line: lineAt(fault.pos[0]),
    }));
    // A key that stands twice is told together with everything else; other faults make the rest guesswork.
    const readable = said.every(({ code }) => code === 'DUPLICATE_KEY');
    const contents: unknown = document.contents;
    const lineOf = (path: readonly PropertyKey[]) => {
      const offset = offsetOf(contents, path);
      return offset === undefined ? undefined : lineAt(offset);
    };
    return { value: readable ? (document.toJS() as unknown) : undefined, lineOf, faults };
  } catch (error) {
    // Aliases that unfold to more than any file needs.
    const message = describeError(error);
    return { value: undefined, lineOf: () => undefined, faults: [{ path: [], message }] };
  }
}

/** After one missing bracket nearly every line is wrong, and saying so helps nobody. */
const MAX_FAULTS = 10;

function faultText({ code, message, pos }: YAMLParseError | YAMLWarning, text: string): string {
  switch (code) {
    case 'DUPLICATE_KEY':
      return `the key ${shown(/^[^\s:]*/.exec(text.slice(pos[0], pos[0] + 100))?.[0])} stands here twice`;
    case 'MULTIPLE_DOCS':
      return 'a second document begins here; expected one';
    case 'RESOURCE_EXHAUSTION':
      return 'is nested too deeply';
    default:
      return message;
  }
}

/** One line of text as a YAML value, for `--set` and the environment; throws `config-value`. */
export function readInlineValue(text: string): unknown {
  const { value, faults } = readDocument(text);
  const [fault] = faults;
  if (fault !== undefined) throw new FairleadError('config-value', fault.message);
  return value;
}

function offsetOf(node: unknown, path: readonly PropertyKey[]): number | undefined {
  let found: number | undefined;
  let at: unknown = node;
  for (const step of path) {
    if (isMap(at)) {
      const pair = at.items.find(({ key }) => isNode(key) && String(key.toJSON()) === String(step));
      if (pair === undefined) return found;
      found = startOf(pair.key) ?? found;
      at = pair.value;
    } else if (isSeq(at)) {
      const item: unknown = at.items[Number(step)];
      found = startOf(isPair(item) ? item.key : item) ?? found;
      at = item;
    } else return found;
  }
  return found;
}

const startOf = (node: unknown): number | undefined => (isNode(node) ? (node as Node).range?.[0] : undefined);
