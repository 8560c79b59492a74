import { styleText } from 'node:util';

export type Colour = 'green' | 'yellow' | 'red' | 'cyan' | 'dim' | 'bold';

/** One cell of a table: untrusted text, and how it is coloured where colours are wanted. */
export type Cell = string | number | { readonly text: string; readonly colour: Colour | undefined };

export interface Table {
  readonly head: readonly string[];
  readonly rows: readonly (readonly Cell[])[];
}

/**
 * Text of others (reasons, names from a registry) fit for a terminal: control characters, and the marks that reorder
 * or hide text (Unicode TR36 §2.3), are shown as escapes instead of obeyed.
 */
export const printable = (text: string): string =>
  text.replace(/[\p{Cc}\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/gu, (mark) => {
    const code = mark.charCodeAt(0);
    return code < 0x100 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u${code.toString(16).padStart(4, '0')}`;
  });

export function paint(text: string, colour: Colour | undefined, hasColour: boolean): string {
  const safe = printable(text);
  return hasColour && colour !== undefined ? styleText(colour, safe, { validateStream: false }) : safe;
}

/** Columns two blanks apart, left aligned, nothing after the last; numbers right aligned. */
export function formatTable({ head, rows }: Table, hasColour: boolean): string {
  const lines = [head.map((text): Cell => ({ text, colour: 'bold' })), ...rows];
  const widths = head.map((_, column) => Math.max(...lines.map((line) => cellText(line[column] ?? '').length)));
  const numeric = head.map((_, column) => rows.length > 0 && rows.every((row) => typeof row[column] === 'number'));
  return lines
    .map((line) =>
      line
        .map((cell, column) => {
          const text = cellText(cell);
          const pad = ' '.repeat((widths[column] ?? 0) - text.length);
          const painted = paint(text, typeof cell === 'object' ? cell.colour : undefined, hasColour);
          return numeric[column] ? pad + painted : painted + pad;
        })
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

const cellText = (cell: Cell): string => printable(String(typeof cell === 'object' ? cell.text : cell));

/** A list of `label  value` lines, values aligned. */
export function formatFields(fields: readonly (readonly [string, Cell])[], hasColour: boolean): string {
  const width = Math.max(...fields.map(([label]) => label.length));
  return fields
    .map(([label, cell]) => {
      const colour = typeof cell === 'object' ? cell.colour : undefined;
      return `${label.padEnd(width)}  ${paint(cellText(cell), colour, hasColour)}`.trimEnd();
    })
    .join('\n');
}

/** `3s ago`, `2h ago`; `never` for null. A time ahead of this host's clock is `now`. */
export function ago(time: string | null, now: number): string {
  if (time === null) return 'never';
  const seconds = Math.max(0, Math.round((now - Date.parse(time)) / 1000));
  if (seconds < 1) return 'now';
  if (seconds < 120) return `${seconds}s ago`;
  if (seconds < 7200) return `${Math.floor(seconds / 60)}m ago`;
  return seconds < 172_800 ? `${Math.floor(seconds / 3600)}h ago` : `${Math.floor(seconds / 86_400)}d ago`;
}

/** `1 service`, `2 services`. */
export const counted = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? '' : 's'}`;
