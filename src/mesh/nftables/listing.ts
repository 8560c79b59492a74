import type { Contents } from './elements.ts';
import { blockTitle, type SetName, type Structure } from './structure.ts';

/** One table as `nft -y -p list table` prints it, taken apart. */
export interface Listing {
  /** Block title → its lines without elements. */
  readonly blocks: ReadonlyMap<string, readonly string[]>;
  /** Set or map name → key → value. */
  readonly contents: ReadonlyMap<string, ReadonlyMap<string, string>>;
}

const BLOCK = /^\t(\S[^\n{]*) \{\n(.*?)^\t\}$/gms;
const ELEMENTS = /^\s*elements = \{(.*?)\}$/ms;

/** Parses the text of one table. Not JSON: it takes nft twice the time, and gives rules in a form nobody writes. */
export function parseListing(text: string): Listing {
  const blocks = new Map<string, readonly string[]>();
  const contents = new Map<string, ReadonlyMap<string, string>>();
  for (const [, title = '', body = ''] of text.matchAll(BLOCK)) {
    const [elements, inside] = ELEMENTS.exec(body) ?? [];
    const rest = elements === undefined ? body : body.replace(elements, '');
    blocks.set(title, trimmedLines(rest));
    if (inside !== undefined) contents.set(title.replace(/^\w+ /, ''), parseElements(title, inside));
  }
  return { blocks, contents };
}

const trimmedLines = (text: string): readonly string[] =>
  text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');

/** Which part of the key is a protocol: asked to print names, nft needs /etc/protocols, which small images lack. */
const PROTOCOL_PART = new Map([
  ['map services', 1],
  ['map slots', 1],
  ['map published', 0],
  ['map published_slots', 0],
]);

const PROTOCOLS = new Map([
  ['6', 'tcp'],
  ['17', 'udp'],
]);

function parseElements(title: string, text: string): ReadonlyMap<string, string> {
  const part = PROTOCOL_PART.get(title);
  return new Map(
    text.split(',').map((element): [string, string] => {
      // An IPv6 address has colons but no spaces around them.
      const [key = '', value = ''] = element.trim().split(' : ');
      return [part === undefined ? key : nameProtocol(key, part), value];
    }),
  );
}

function nameProtocol(key: string, part: number): string {
  return key
    .split(' . ')
    .map((text, i) => (i === part ? (PROTOCOLS.get(text) ?? text) : text))
    .join(' . ');
}

/** How the constant part differs from the expected, for people; empty when it does not. */
export function diffStructure(listing: Listing, expected: Structure): readonly string[] {
  const differences: string[] = [];
  const known = new Set<string>();
  for (const block of expected) {
    const title = blockTitle(block);
    known.add(title);
    const lines = listing.blocks.get(title);
    if (lines === undefined) differences.push(`${title} is missing`);
    else if (lines.join('\n') !== block.lines.join('\n')) differences.push(`${title} was changed`);
  }
  for (const title of listing.blocks.keys()) if (!known.has(title)) differences.push(`${title} is not ours`);
  return differences;
}

/** What our sets hold, without the transaction counter, which has nothing to be compared with. */
export function contentsIn(listing: Listing, structure: Structure): Contents {
  const contents = new Map<SetName, ReadonlyMap<string, string>>();
  for (const block of structure) {
    if (block.kind === 'chain' || block.name === 'generation') continue;
    const elements = listing.contents.get(block.name);
    if (elements !== undefined) contents.set(block.name, elements);
  }
  return contents;
}

/** The expected structure in the words of this listing: another release of nft may spell a rule in another way. */
export const respell = (listing: Listing, expected: Structure): Structure =>
  expected.map((block) => ({ ...block, lines: listing.blocks.get(blockTitle(block)) ?? block.lines }));
