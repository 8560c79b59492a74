import { beforeEach, describe, expect, it, vi } from 'vitest';
import { FairleadError } from '../../../../src/lib/errors.ts';
import { exec } from '../../../../src/lib/exec.ts';
import { type Logger, silentLogger } from '../../../../src/lib/logger.ts';
import { ConntrackCleaner } from '../../../../src/mesh/conntrack/cleaner.ts';
import type { StaleFlows } from '../../../../src/mesh/conntrack/stale.ts';

vi.mock('../../../../src/lib/exec.ts', () => ({ exec: vi.fn(), spawnProgram: vi.fn() }));
const program = vi.mocked(exec);

const flow = (port: number): StaleFlows => ({
  protocol: 'udp',
  destination: { kind: 'vip', address: '10.96.0.1', port },
  translatedTo: 'anything',
});
const removed = (count: number) => ({
  exitCode: count === 0 ? 1 : 0,
  stdout: 'udp …\n'.repeat(count),
  stderr: `conntrack v1.4.7 (conntrack-tools): ${count} flow entries have been deleted.`,
  pid: 1,
});

describe('ConntrackCleaner', () => {
  let warnings: string[];
  let cleaner: ConntrackCleaner;

  beforeEach(() => {
    program.mockReset();
    warnings = [];
    const log: Logger = { ...silentLogger, warn: (_, message) => void warnings.push(message) };
    cleaner = new ConntrackCleaner({ log, addresses: () => [] });
  });

  it('counts what went; nothing to remove is no error', async () => {
    program.mockResolvedValueOnce(removed(3)).mockResolvedValueOnce(removed(0));
    expect(await cleaner.clean([flow(1), flow(2)])).toBe(3);
    expect(await cleaner.clean([])).toBe(0);
    expect(program).toHaveBeenCalledTimes(2);
  });

  it('takes what comes during a pass into one more pass', async () => {
    const { promise, resolve } = Promise.withResolvers<ReturnType<typeof removed>>();
    program.mockReturnValueOnce(promise).mockResolvedValue(removed(1));
    const first = cleaner.clean([flow(1)]);
    await vi.waitFor(() => expect(program).toHaveBeenCalledTimes(1));
    const second = cleaner.clean([flow(2)]);
    const third = cleaner.clean([flow(3)]);
    expect(program).toHaveBeenCalledTimes(1);
    resolve(removed(1));
    expect(await Promise.all([first, second, third])).toEqual([1, 2, 2]);
    expect(program).toHaveBeenCalledTimes(3);
  });

  it('tells a failure to who asked, and works again after it', async () => {
    program.mockResolvedValueOnce({ ...removed(0), stderr: 'Operation failed: Operation not permitted' });
    await expect(cleaner.clean([flow(1)])).rejects.toMatchObject({ code: 'conntrack' });
    program.mockResolvedValueOnce(removed(1));
    expect(await cleaner.clean([flow(1)])).toBe(1);
  });

  it('without the program warns once and goes on', async () => {
    program.mockRejectedValue(new FairleadError('exec-missing', 'conntrack is not installed'));
    expect(await cleaner.clean([flow(1)])).toBe(0);
    expect(await cleaner.clean([flow(1)])).toBe(0);
    expect(warnings).toEqual(['conntrack is not installed: flows stick to dead endpoints until they expire']);
  });
});
