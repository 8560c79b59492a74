import { describe, expect, it } from 'vitest';
import { missingFragment, readSteps } from '../../support/readme.ts';

describe('readSteps', () => {
  it('takes commands and promises of sh blocks only', () => {
    const guide =
      '# Title\n```\nnpm start\n```\n```sh\n$ dig hello\n# → 10.96.…\n# → ok\n\n$ true\n```\n$ not in a block\n';
    expect(readSteps(guide)).toEqual([
      { command: 'dig hello', expected: ['10.96.…', 'ok'], line: 6 },
      { command: 'true', expected: [], line: 10 },
    ]);
  });

  it.each(['dig hello', '# a remark', '# → before any command'])('refuses the line %j in a block', (line) => {
    expect(() => readSteps(`\`\`\`sh\n${line}\n\`\`\`\n`)).toThrow('line 2');
  });
});

describe('missingFragment', () => {
  it.each([
    { output: 'a 10.96.3.4 b', expected: ['10.96.…'], missing: undefined },
    { output: 'one\ntwo\n', expected: ['one', 'two'], missing: undefined },
    { output: 'two\none\n', expected: ['one', 'two'], missing: 'two' },
    { output: '(x)', expected: ['(x)'], missing: undefined },
    { output: 'a\nb', expected: ['a…b'], missing: 'a…b' },
    { output: '', expected: [], missing: undefined },
  ])('$expected in $output: $missing', ({ output, expected, missing }) => {
    expect(missingFragment(output, expected)).toBe(missing);
  });
});
