import { describe, expect, it } from 'vitest';
import { exec, execOk } from '../../../src/lib/exec.ts';

describe('exec', () => {
  it('passes arguments as they are, never through a shell', async () => {
    const result = await exec('printf', ['%s', '$(id); `id` "x"\n']);
    expect(result).toMatchObject({ exitCode: 0, stdout: '$(id); `id` "x"\n' });
  });

  it('feeds stdin and reports the exit code', async () => {
    expect(await exec('grep', ['-c', 'b'], { stdin: 'a\nb\nb\n' })).toMatchObject({ exitCode: 0, stdout: '2\n' });
    expect(await exec('grep', ['x'], { stdin: 'a' })).toMatchObject({ exitCode: 1 });
  });

  it('survives a program that does not read its input', async () => {
    expect(await exec('true', [], { stdin: 'x'.repeat(1_000_000) })).toMatchObject({ exitCode: 0 });
  });

  it.each([
    ['a program that is not there', 'exec-missing', () => exec('no-such-program-here', [])],
    ['one that takes too long', 'exec-timeout', () => exec('sleep', ['60'], { timeoutMs: 20 })],
    ['one that prints too much', 'exec-output', () => exec('yes', [], { maxOutput: 1000 })],
    ['one stopped from outside', 'exec-aborted', () => exec('sleep', ['60'], { signal: AbortSignal.timeout(20) })],
    ['one that fails', 'exec-exit', () => execOk('ls', ['/no/such/place'])],
  ])('names %s: %s', async (_what, code, run) => {
    await expect(run()).rejects.toMatchObject({ code });
  });
});
