import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { silentLogger } from '../../../../src/lib/logger.ts';
import { DrainDeadlines } from '../../../../src/mesh/conntrack/deadlines.ts';
import { ManualClock } from '../../../support/clock.ts';
import { endpoint, inState, service } from '../../../support/dns-service.ts';

const a = endpoint('a', '10.1.1.1');
const b = endpoint('b', '10.1.1.2');
const draining = service([inState(a, 'draining'), b], { drainMs: 10_000 });
const passing = service([a, b], { drainMs: 10_000 });

describe('DrainDeadlines', () => {
  let clock: ManualClock;
  let expired: string[];
  let deadlines: DrainDeadlines;
  let stop: AbortController;
  let running: Promise<void>;
  let fail: boolean;

  beforeEach(() => {
    clock = new ManualClock();
    expired = [];
    fail = false;
    deadlines = new DrainDeadlines({
      clock,
      log: silentLogger,
      onExpired: async (flows) => {
        for (const { translatedTo } of flows) if (typeof translatedTo === 'object') expired.push(translatedTo.address);
        if (fail) throw new Error('no');
      },
    });
    stop = new AbortController();
    running = deadlines.run(stop.signal);
  });

  afterEach(async () => {
    stop.abort();
    await running;
  });

  /** Lets time pass, and what is due happen: the loop sleeps again. */
  const pass = async (ms: number) => {
    await settle();
    clock.advance(ms);
    await settle();
  };
  const settle = () => new Promise((resolve) => setImmediate(resolve));

  it('expires a drain once, at its deadline', async () => {
    deadlines.update('dns', draining);
    await pass(9999);
    expect(expired).toEqual([]);
    await pass(1);
    expect(expired).toEqual(['10.1.1.1']);
    deadlines.update('dns', draining);
    await pass(60_000);
    expect(expired).toEqual(['10.1.1.1']);
  });

  it('keeps the deadline when told the same again, even changed elsewhere', async () => {
    deadlines.update('dns', draining);
    await pass(6000);
    deadlines.update('dns', { ...draining, endpoints: [inState(a, 'draining')] });
    await pass(4000);
    expect(expired).toEqual(['10.1.1.1']);
  });

  it.each([
    ['put back into rotation', passing],
    ['removed with its service', undefined],
  ])('forgets an endpoint %s; draining it again starts anew', async (_, next) => {
    deadlines.update('dns', draining);
    await pass(5000);
    deadlines.update('dns', next);
    await pass(20_000);
    expect(expired).toEqual([]);
    deadlines.update('dns', draining);
    await pass(9999);
    expect(expired).toEqual([]);
    await pass(1);
    expect(expired).toEqual(['10.1.1.1']);
  });

  it('serves an earlier deadline that comes later', async () => {
    deadlines.update('dns', draining);
    await pass(0);
    deadlines.update('web', { ...service([inState(b, 'draining')], { key: 'web', drainMs: 1000 }) });
    await pass(1000);
    expect(expired).toEqual(['10.1.1.2']);
    await pass(9000);
    expect(expired).toEqual(['10.1.1.2', '10.1.1.1']);
  });

  it('goes on after a failure', async () => {
    fail = true;
    deadlines.update('dns', draining);
    await pass(10_000);
    fail = false;
    deadlines.update('web', service([inState(b, 'draining')], { key: 'web', drainMs: 0 }));
    await pass(0);
    expect(expired).toEqual(['10.1.1.1', '10.1.1.2']);
  });

  it('does not mind a jumping wall clock', async () => {
    deadlines.update('dns', draining);
    clock.jump(0);
    await pass(9999);
    expect(expired).toEqual([]);
    await pass(1);
    expect(expired).toEqual(['10.1.1.1']);
  });
});
