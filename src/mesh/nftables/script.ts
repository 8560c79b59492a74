import { FairleadError } from '../../lib/errors.ts';
import type { Family } from '../plan.ts';
import { type Changes, diffContents } from './changes.ts';
import type { Contents, Element } from './elements.ts';
import { blockTitle, familyWord, structureOf, TABLE } from './structure.ts';

/** Scripts for one `nft -f -`: all of it becomes true at one moment, or nothing does. */
export function changeScript({ removed, added }: Changes): string {
  return [...commands('delete', removed), ...commands('add', added)].join('');
}

/** Makes one family's table, in place of any earlier one, with these contents. */
export function tableScript(family: Family, contents: Contents): string {
  const place = `${familyWord(family)} ${TABLE}`;
  const blocks = structureOf(family).map(
    (block) => `\t${blockTitle(block)} {\n${block.lines.map((line) => `\t\t${line}\n`).join('')}\t}\n`,
  );
  // A table must exist to be deleted.
  const fresh = `add table ${place}\ndelete table ${place}\n`;
  return `${fresh}table ${place} {\n${blocks.join('\n')}}\n${changeScript(diffContents(family, new Map(), contents))}`;
}

/** Removes both tables, whether they exist or not. */
export const cleanupScript = (['ip', 'ip6'] as const)
  .map((word) => `add table ${word} ${TABLE}\ndelete table ${word} ${TABLE}\n`)
  .join('');

/** Marks a transaction as ours, for the monitor. */
export const generationScript = (generation: number): string =>
  `flush set ip ${TABLE} generation\nadd element ip ${TABLE} generation { ${generation} }\n`;

function commands(verb: 'add' | 'delete', elements: readonly Element[]): readonly string[] {
  const groups = Map.groupBy(elements, ({ family, set }) => `${familyWord(family)} ${TABLE} ${set}`);
  return [...groups].map(([place, group]) => {
    const texts = group.map((element) => elementText(element, verb));
    return `${verb} element ${place} { ${texts.join(', ')} }\n`;
  });
}

/** An element is deleted by its key alone. */
function elementText({ key, value }: Element, verb: 'add' | 'delete'): string {
  const text = verb === 'delete' || value === undefined ? key : `${key} : ${value}`;
  if (!HARMLESS.test(text)) {
    throw new FairleadError('mesh-render', `${JSON.stringify(text)} must not become part of a rule`, {
      remedy: 'this is a fault of fairlead; please report it',
    });
  }
  return text;
}

/** Addresses, numbers, interface names, our own words; nothing that could end the element or begin a command. */
const HARMLESS = /^[\w.:/ "@-]+$/;
