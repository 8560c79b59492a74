import { describe, expect, it } from 'vitest';
import { hasToken, isCrossSite, isLoopbackHost } from '../../../src/admin/guard.ts';

describe('isLoopbackHost', () => {
  it.each(['localhost', 'LOCALHOST:7470', '127.0.0.1', '127.0.0.1:80', '127.1.2.3:7470', '[::1]', '[::1]:7470'])(
    'believes %s',
    (host) => {
      expect(isLoopbackHost(host)).toBe(true);
    },
  );

  it.each([
    '',
    'evil.example',
    'evil.example:7470',
    '127.0.0.1.evil.example',
    'localhost.evil.example',
    '10.0.0.1',
    '0x7f.1',
    '127.1',
    '[::2]',
    '::1',
    '[::1',
    'localhost:80:80',
    'localhost@evil.example',
  ])('refuses %j', (host) => {
    expect(isLoopbackHost(host)).toBe(false);
  });
});

describe('isCrossSite', () => {
  const host = '127.0.0.1:7470';
  it.each([
    ['a program', undefined, undefined, false],
    ['the console', 'http://127.0.0.1:7470', 'same-origin', false],
    ['the console behind TLS', 'https://127.0.0.1:7470', undefined, false],
    ['an address bar', undefined, 'none', false],
    ['another site', 'http://evil.example', 'cross-site', true],
    ['another site in an old browser', 'http://evil.example', undefined, true],
    ['another port of this host', 'http://127.0.0.1:8080', 'same-site', true],
    ['a sandboxed frame', 'null', undefined, true],
    ['only the fetch metadata', undefined, 'cross-site', true],
  ])('%s', (_who, origin, fetchSite, expected) => {
    expect(isCrossSite({ origin, fetchSite, host })).toBe(expected);
  });
});

describe('hasToken', () => {
  it.each([
    ['Bearer s3cret', true],
    ['bearer  s3cret', true],
    [undefined, false],
    ['', false],
    ['Bearer', false],
    ['Bearer ', false],
    ['Bearer s3cre', false],
    ['Bearer s3cret2', false],
    ['Basic s3cret', false],
    ['s3cret', false],
  ])('%j', (authorization, expected) => {
    expect(hasToken(authorization, 's3cret')).toBe(expected);
  });
});
