import { Registry } from 'prom-client';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { HealthChecker } from '../../../src/health/checker.ts';
import type { CheckResult } from '../../../src/health/machine.ts';
import { createHealthMetrics } from '../../../src/health/metrics.ts';
import type { CheckTarget } from '../../../src/health/target.ts';
import { silentLogger } from '../../../src/lib/logger.ts';
import type { Health } from '../../../src/model/service.ts';
import { ManualClock } from '../../support/clock.ts';
import { workload } from '../../support/workloads.ts';

const pass: CheckResult = { kind: 'pass', reason: '' };
const fail: CheckResult = { kind: 'fail', reason: 'connect refused 10.1.1.2:3000' };

/** One probe as the fake prober saw it; it hangs until it is answered. */
interface Asked {
  readonly at: number;
  readonly target: CheckTarget;
  readonly signal: AbortSignal;
  readonly answer: (result: CheckResult) => void;
}

let clock: ManualClock;
let asked: Asked[];
let changes: { localId: string; health: Health; eventAt: number }[];
let metrics: Registry;
let logged: unknown[];
let stop: AbortController;
let ended: Promise<void>;

beforeEach(() => {
  clock = new ManualClock();
  asked = [];
  changes = [];
  metrics = new Registry();
  logged = [];
  stop = new AbortController();
  ended = Promise.resolve();
});

afterEach(async () => {
  stop.abort();
  await ended;
});

/** Lets everything that is due happen: promises settle before the next macrotask. */
const settle = () => new Promise<void>((resolve) => setImmediate(resolve));

function start(options: { concurrency?: number; random?: () => number } = {}): HealthChecker {
  const checker = new HealthChecker({
    clock,
    log: {
      ...silentLogger,
      info: (fields, message) => logged.push([message, fields]),
      warn: (fields, message) => logged.push([message, fields]),
    },
    metrics: createHealthMetrics(metrics),
    probe: (target, signal) =>
      new Promise((answer) => {
        asked.push({ at: clock.monotonic(), target, signal, answer });
      }),
    onChange: (localId, health, eventAt) => changes.push({ localId, health, eventAt }),
    random: () => 0.5,
    ...options,
  });
  ended = checker.run(stop.signal);
  return checker;
}

async function passTime(ms: number, stepMs = 50): Promise<void> {
  for (let passed = 0; passed < ms; passed += stepMs) {
    clock.advance(Math.min(stepMs, ms - passed));
    await settle();
  }
}

async function answerAll(result: CheckResult): Promise<void> {
  for (const each of asked.splice(0)) each.answer(result);
  await settle();
}

describe('health checker', () => {
  test('a check is critical until its first result, which decides at once', async () => {
    const checker = start();
    checker.update([workload('web-1', { check: {} }), workload('plain')]);
    expect(checker.health('web-1')).toEqual({ state: 'critical', reason: 'not checked yet' });
    expect(checker.health('plain')).toBeUndefined();
    await passTime(500);
    expect(asked.map((each) => [each.at, each.target.address, each.target.port])).toEqual([[500, '10.1.1.2', 3000]]);
    await answerAll(pass);
    expect(checker.health('web-1')).toEqual({ state: 'passing', reason: '' });
    expect(changes).toEqual([{ localId: 'web-1', health: { state: 'passing', reason: '' }, eventAt: 500 }]);
  });

  test('falls and rises by its thresholds, telling each change once', async () => {
    const checker = start();
    checker.update([workload('web-1', { check: { rise: 2, fall: 2, intervalMs: 1000 } })]);
    for (const result of [pass, fail, fail, fail, pass, pass, pass]) {
      while (asked.length === 0) await passTime(100);
      await answerAll(result);
    }
    expect(changes.map((change) => change.health)).toEqual([
      { state: 'passing', reason: '' },
      { state: 'critical', reason: 'connect refused 10.1.1.2:3000' },
      { state: 'passing', reason: '' },
    ]);
    const reason = 'connect refused 10.1.1.2:3000';
    expect(logged).toEqual([
      ['health check passes', { endpoint: 'web-1', state: 'passing', reason: '', was: 'critical' }],
      ['health check does not pass', { endpoint: 'web-1', state: 'critical', reason, was: 'passing' }],
      ['health check passes', { endpoint: 'web-1', state: 'passing', reason: '', was: 'critical' }],
    ]);
    const text = await metrics.metrics();
    expect(text).toContain('fairlead_health_checks_total{result="pass"} 4');
    expect(text).toContain('fairlead_health_checks_total{result="fail"} 3');
  });

  test('a probe that never answers times out, and is told to end', async () => {
    const checker = start();
    checker.update([workload('web-1', { check: { timeoutMs: 1000 } })]);
    await passTime(500);
    await passTime(950);
    expect(changes).toEqual([]);
    await passTime(50);
    expect(checker.health('web-1')).toEqual({ state: 'critical', reason: 'timeout after 1s' });
    expect(asked[0]?.signal.aborted).toBe(true);
  });

  test('runs at most so many at once, and a hanging target gives its place back', async () => {
    const checker = start({ concurrency: 2 });
    checker.update(
      ['a', 'b', 'c', 'd'].map((id) => workload(id, { address: `10.0.0.${id}`, check: { timeoutMs: 1000 } })),
    );
    await passTime(600);
    const hanging = asked.splice(0);
    expect(hanging).toHaveLength(2);
    await passTime(1000);
    expect(asked).toHaveLength(2);
    expect(new Set([...hanging, ...asked].map((each) => each.target.address)).size).toBe(4);
    await answerAll(pass);
    expect(changes.filter((change) => change.health.state === 'passing')).toHaveLength(2);
  });

  test('an unchanged check keeps its state and its phase', async () => {
    const checker = start();
    checker.update([workload('web-1', { check: { intervalMs: 10_000 } })]);
    await passTime(500);
    await answerAll(pass);
    for (let i = 0; i < 10; i++) {
      checker.update([workload('web-1', { check: { intervalMs: 10_000 }, weight: i })]);
      await passTime(400);
    }
    expect(asked).toEqual([]);
    expect(checker.health('web-1')?.state).toBe('passing');
    await passTime(1000);
    expect(asked).toHaveLength(1);
    expect(changes).toHaveLength(1);
  });

  test.each([
    ['address', { address: '10.1.1.9', check: {} }],
    ['port', { ports: new Map([['http', 9]]), check: {} }],
    ['question', { check: { probe: { kind: 'http', path: '/healthz' } as const } }],
    ['container', { container: { id: 'new', name: 'web', image: 'web' }, check: {} }],
  ])('another %s begins anew and ends the probe under way', async (_, next) => {
    const checker = start();
    checker.update([workload('web-1', { check: {} })]);
    await passTime(500);
    await answerAll(pass);
    while (asked.length === 0) await passTime(100);
    const [old] = asked.splice(0);
    checker.update([workload('web-1', next)]);
    expect(old?.signal.aborted).toBe(true);
    expect(checker.health('web-1')?.reason).toBe('not checked yet');
    expect(changes.at(-1)?.health).toEqual({ state: 'critical', reason: 'not checked yet' });
    old?.answer(fail);
    await passTime(500);
    expect(checker.health('web-1')?.reason).toBe('not checked yet');
    await answerAll(pass);
    expect(checker.health('web-1')?.state).toBe('passing');
  });

  test('a workload that is gone is asked no more', async () => {
    const checker = start();
    checker.update([workload('web-1', { check: {} }), workload('web-2', { check: {} })]);
    await passTime(500);
    checker.update([workload('web-2', { check: {} })]);
    expect(checker.health('web-1')).toBeUndefined();
    expect(asked.map((each) => each.signal.aborted)).toEqual([true, false]);
    await answerAll(pass);
    expect(changes.map((change) => change.localId)).toEqual(['web-2']);
    await passTime(10_000, 500);
    expect(asked.every((each) => each.target.address === '10.1.1.2')).toBe(true);
  });

  test('intervals keep within a tenth, and first checks are spread', async () => {
    let seed = 1;
    const random = () => {
      seed = (seed * 16_807) % 2_147_483_647;
      return seed / 2_147_483_647;
    };
    const checker = start({ random });
    checker.update(
      Array.from({ length: 50 }, (_, i) =>
        workload(`w${i}`, { address: `10.0.0.${i}`, check: { intervalMs: 10_000 } }),
      ),
    );
    const times = new Map<string, number[]>();
    for (let passed = 0; passed < 60_000; passed += 50) {
      await passTime(50);
      for (const each of asked) times.set(each.target.address, [...(times.get(each.target.address) ?? []), each.at]);
      await answerAll(pass);
    }
    expect(times.size).toBe(50);
    const firsts = [...times.values()].map((each) => each[0] ?? 0);
    expect(Math.max(...firsts)).toBeLessThanOrEqual(1050);
    expect(new Set(firsts).size).toBeGreaterThan(10);
    for (const [, ...later] of times.values()) {
      for (const [i, at] of later.entries()) {
        if (i === 0) continue;
        const gap = at - (later[i - 1] ?? 0);
        expect(gap).toBeGreaterThanOrEqual(8950);
        expect(gap).toBeLessThanOrEqual(11_050);
      }
    }
  });

  test('a jump of the wall clock changes nothing', async () => {
    const checker = start();
    checker.update([workload('web-1', { check: { intervalMs: 10_000 } })]);
    await passTime(500);
    await answerAll(pass);
    clock.jump(Date.UTC(2040, 0, 1));
    await passTime(4000, 500);
    clock.jump(0);
    await passTime(500);
    expect(asked).toEqual([]);
    await passTime(1000);
    expect(asked).toHaveLength(1);
  });

  test('ends its probes when it is stopped', async () => {
    const checker = start();
    checker.update([workload('web-1', { check: {} })]);
    await passTime(500);
    stop.abort();
    await ended;
    expect(asked[0]?.signal.aborted).toBe(true);
    expect(changes).toEqual([]);
  });
});
