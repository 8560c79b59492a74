import { describe, expect, it } from 'vitest';
import { Reconciler } from '../../../src/lib/reconciler.ts';
import { ManualClock } from '../../support/clock.ts';

/** A pass that the test lets go one at a time. */
function gatedPasses() {
  const started: (() => void)[] = [];
  const gates: { finish: (error?: Error) => void }[] = [];
  const nextStart = () => new Promise<void>((resolve) => started.push(resolve));
  const reconcile = () =>
    new Promise<void>((resolve, reject) => {
      gates.push({ finish: (error) => (error === undefined ? resolve() : reject(error)) });
      started.shift()?.();
    });
  return { gates, nextStart, reconcile };
}

describe('Reconciler', () => {
  it('makes any number of triggers during one pass into one more pass', async () => {
    const { gates, nextStart, reconcile } = gatedPasses();
    const stop = new AbortController();
    const runner = new Reconciler({ clock: new ManualClock(), reconcile, onError: () => {} });
    const running = runner.run(stop.signal);
    let start = nextStart();
    runner.trigger();
    await start;
    for (let i = 0; i < 5; i++) runner.trigger();
    start = nextStart();
    gates[0]?.finish();
    await start;
    stop.abort();
    gates[1]?.finish();
    await running;
    expect(gates).toHaveLength(2);
  });

  it('repeats a failed pass after a delay, and at once when triggered', async () => {
    const { gates, nextStart, reconcile } = gatedPasses();
    const clock = new ManualClock();
    const stop = new AbortController();
    const delays: number[] = [];
    const runner = new Reconciler({ clock, reconcile, onError: (_error, ms) => delays.push(ms) });
    const running = runner.run(stop.signal);
    let start = nextStart();
    runner.trigger();
    await start;
    start = nextStart();
    gates[0]?.finish(new Error('busy'));
    await clock.sleeping(1);
    clock.advance(100);
    await start;
    start = nextStart();
    gates[1]?.finish(new Error('busy'));
    await clock.sleeping(1);
    runner.trigger();
    await start;
    stop.abort();
    gates[2]?.finish();
    await running;
    expect(delays).toHaveLength(2);
    expect(delays[0]).toBeLessThanOrEqual(100);
  });

  it('stops while it waits', async () => {
    const stop = new AbortController();
    const running = new Reconciler({
      clock: new ManualClock(),
      reconcile: async () => {},
      onError: () => {},
    }).run(stop.signal);
    stop.abort();
    await expect(running).resolves.toBeUndefined();
  });
});
