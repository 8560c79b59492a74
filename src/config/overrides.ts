import { didYouMean, suggest } from '../lib/suggest.ts';
import { readInlineValue } from './document.ts';
import { type OptionInfo, options } from './options.ts';

/** An option's value from the environment or the command line. */
export interface Override {
  readonly option: OptionInfo;
  readonly value: unknown;
  /** As an error names it: `FAIRLEAD_DNS_LISTEN`, `--set dns.listen`. */
  readonly from: string;
}

export interface Overrides {
  readonly overrides: readonly Override[];
  /** What could not be understood, ready to print. */
  readonly errors: readonly string[];
}

/** Names of the environment that the client commands read, not the agent. */
const CLIENT_VARIABLES: ReadonlySet<string> = new Set(['FAIRLEAD_ADMIN']);

/** Options in variables `FAIRLEAD_…`. One that is nearly an option is an error. */
export function fromEnvironment(environment: Readonly<Record<string, string | undefined>>): Overrides {
  const named = Object.entries(environment).flatMap(([variable, text]) =>
    text !== undefined && isMeant(variable) ? [{ name: variable, text, from: variable }] : [],
  );
  return read(named, (option) => option.variable);
}

const PREFIX = 'FAIRLEAD_';
const SPELLINGS = options.map(({ variable }) => variable.slice(PREFIX.length));
const SECTIONS = [...new Set(options.flatMap(({ path }) => (path.length > 1 ? [`${path[0]?.toUpperCase()}_`] : [])))];

/**
 * Is this variable one of ours, or a misspelt one? Others may begin alike: for a service called `fairlead`, Kubernetes
 * and Docker's links set `FAIRLEAD_PORT` and the like.
 */
function isMeant(variable: string): boolean {
  if (!variable.startsWith(PREFIX) || CLIENT_VARIABLES.has(variable)) return false;
  const spelling = variable.slice(PREFIX.length);
  return SECTIONS.some((section) => spelling.startsWith(section)) || suggest(spelling, SPELLINGS) !== undefined;
}

/** Options as `key=value`; the last of several for one key counts. */
export function fromArguments(assignments: readonly string[]): Overrides {
  const named: Named[] = [];
  const errors: string[] = [];
  for (const assignment of assignments) {
    const [name = '', ...text] = assignment.split('=');
    if (text.length === 0) errors.push(`--set ${JSON.stringify(name)}: expected key=value`);
    else named.push({ name: name.trim(), text: text.join('='), from: `--set ${name.trim()}` });
  }
  const { overrides, errors: unread } = read(named, (option) => option.key);
  return { overrides, errors: [...errors, ...unread] };
}

interface Named {
  readonly name: string;
  readonly text: string;
  readonly from: string;
}

function read(named: readonly Named[], spelling: (option: OptionInfo) => string): Overrides {
  const bySpelling = new Map(options.map((option) => [spelling(option), option]));
  const overrides: Override[] = [];
  const errors: string[] = [];
  for (const { name, text, from } of named) {
    const option = bySpelling.get(name);
    if (option === undefined) {
      errors.push(`${from}: there is no such option${didYouMean(name, [...bySpelling.keys()])}`);
      continue;
    }
    try {
      overrides.push({ option, value: readText(option, text), from });
    } catch (error) {
      errors.push(`${from}: ${(error as Error).message}`);
    }
  }
  return { overrides, errors };
}

function readText({ reads }: OptionInfo, text: string): unknown {
  switch (reads) {
    case 'text':
      return text;
    case 'list':
      return text
        .split(',')
        .map((item) => item.trim())
        .filter((item) => item !== '');
    case 'yaml':
      return readInlineValue(text);
  }
}
