import { stripVTControlCharacters } from 'node:util';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ago, formatFields, formatTable, printable } from '../../../src/cli/format.ts';

describe('printable', () => {
  it.each([
    ['plain, ünïcode, 漢字', 'plain, ünïcode, 漢字'],
    ['\x1b[31mred', '\\x1b[31mred'],
    ['a\nb\tc\rd\x7f', 'a\\x0ab\\x09c\\x0dd\\x7f'],
    ['\x9b31m', '\\x9b31m'],
    ['user\u202egpj.exe', 'user\\u202egpj.exe'],
    ['zero\u200bwidth\ufeff', 'zero\\u200bwidth\\ufeff'],
  ])('%j', (text, expected) => {
    expect(printable(text)).toBe(expected);
  });

  it('leaves nothing a terminal would obey', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        expect(printable(text)).not.toMatch(/[\p{Cc}\u202a-\u202e\u2066-\u2069]/u);
      }),
    );
  });
});

describe('formatTable', () => {
  it('aligns text left, numbers right, and ends lines with their text', () => {
    const rows = [
      ['a', 1, ''],
      ['longer', 100, 'why'],
    ];
    expect(formatTable({ head: ['NAME', 'N', 'REASON'], rows }, false)).toBe(
      ['NAME      N  REASON', 'a         1', 'longer  100  why'].join('\n'),
    );
  });

  it('aligns alike with and without colours', () => {
    const cell = fc.oneof(
      fc.string(),
      fc.nat(),
      fc.record({ text: fc.string(), colour: fc.constantFrom('red' as const, 'green' as const, undefined) }),
    );
    fc.assert(
      fc.property(fc.array(fc.tuple(cell, cell, fc.constant('.'))), (rows) => {
        const table = { head: ['A', 'B', 'C'], rows };
        const plain = formatTable(table, false);
        expect(stripVTControlCharacters(formatTable(table, true))).toBe(plain);
        const columns = plain.split('\n').map((line) => line.length);
        expect(new Set(columns).size).toBe(1);
      }),
    );
  });
});

it('formatFields aligns the values', () => {
  const fields = formatFields(
    [
      ['A', '1'],
      ['Long', '2'],
      ['', 'more\n'],
      ['B', ''],
    ],
    false,
  );
  expect(fields).toBe('A     1\nLong  2\n      more\\x0a\nB');
});

describe('ago', () => {
  const now = Date.UTC(2026, 0, 10);
  it.each([
    [null, 'never'],
    [0, 'now'],
    [-5, 'now'],
    [1, '1s ago'],
    [119, '119s ago'],
    [120, '2m ago'],
    [7199, '119m ago'],
    [7200, '2h ago'],
    [172_799, '47h ago'],
    [172_800, '2d ago'],
  ])('%j seconds: %s', (seconds, expected) => {
    expect(ago(seconds === null ? null : new Date(now - seconds * 1000).toISOString(), now)).toBe(expected);
  });
});
