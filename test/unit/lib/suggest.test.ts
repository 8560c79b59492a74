import { expect, test } from 'vitest';
import { didYouMean, suggest } from '../../../src/lib/suggest.ts';

const KEYS = ['listen', 'domain', 'aliases', 'ttl', 'vipCidr', 'vipCidr6'];

test.each([
  ['listn', 'listen'],
  ['LISTEN', 'listen'],
  ['domian', 'domain'],
  ['alias', 'aliases'],
  ['vipcidr', 'vipCidr'],
  ['vipCdr6', 'vipCidr6'],
  ['tl', 'ttl'],
  ['colour', undefined],
  ['', undefined],
  ['listen'.repeat(50), undefined],
])('%j', (word, expected) => {
  expect(suggest(word, KEYS)).toBe(expected);
});

test('words for a message', () => {
  expect(didYouMean('listn', KEYS)).toBe('; did you mean "listen"?');
  expect(didYouMean('colour', KEYS)).toBe('');
  expect(didYouMean('x', [])).toBe('');
});
