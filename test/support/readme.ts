/** A command a guide tells its reader to run, and what it promises. */
export interface Step {
  readonly command: string;
  /** Fragments of its output, in order; `…` stands for anything on that line. */
  readonly expected: readonly string[];
  /** Where the command is, counted from 1. */
  readonly line: number;
}

const PROMPT = '$ ';
const PROMISE = '# → ';

/**
 * The commands of a guide, in order: of each `sh` block the lines that begin with `$ `, each followed by lines
 * `# → fragment` of what is to be expected. Any other line in such a block is an error, so that none is overlooked.
 */
export function readSteps(markdown: string): readonly Step[] {
  const steps: { command: string; expected: string[]; line: number }[] = [];
  let inBlock = false;
  for (const [index, text] of markdown.split('\n').entries()) {
    if (text.startsWith('```')) {
      inBlock = text === '```sh';
      continue;
    }
    if (!inBlock || text === '') continue;
    const step = steps.at(-1);
    if (text.startsWith(PROMPT)) steps.push({ command: text.slice(PROMPT.length), expected: [], line: index + 1 });
    else if (text.startsWith(PROMISE) && step !== undefined) step.expected.push(text.slice(PROMISE.length));
    else throw new Error(`line ${index + 1} is neither "${PROMPT}command" nor "${PROMISE}fragment": ${text}`);
  }
  return steps;
}

/** The first fragment that an output does not hold after those before it; undefined when all are there. */
export function missingFragment(output: string, expected: readonly string[]): string | undefined {
  let rest = output;
  return expected.find((fragment) => {
    const found = new RegExp(fragment.split('…').map(literally).join('.*')).exec(rest);
    if (found !== null) rest = rest.slice(found.index + found[0].length);
    return found === null;
  });
}

const literally = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
