import { didYouMean } from '../lib/suggest.ts';
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

/** Options in variables `FAIRLEAD_…`; any other variable of that prefix is an error. */
export function fromEnvironment(environment: Readonly<Record<string, string | undefined>>): Overrides {
  const named = Object.entries(environment).flatMap(([variable, text]) =>
    text !== undefined && variable.startsWith('FAIRLEAD_') && !CLIENT_VARIABLES.has(variable)
      ? [{ name: variable, text, from: variable }]
      : [],
  );
  return read(named, (option) => option.variable);
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
