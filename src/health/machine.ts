import { notChecked } from '../model/health.ts';
import type { Health } from '../model/service.ts';

/** What one run of a check found. A warning counts as a success: the endpoint stays in rotation. */
export interface CheckResult {
  readonly kind: 'pass' | 'warn' | 'fail';
  /** Why, for people; empty for `pass`. */
  readonly reason: string;
}

/** How often it must succeed or fail in a row before its state changes. */
export interface Thresholds {
  readonly rise: number;
  readonly fall: number;
}

export type CheckState =
  /** Before the first result. */
  | { readonly kind: 'unknown' }
  | {
      readonly kind: 'up';
      readonly last: CheckResult;
      /** Failures in a row. */
      readonly failures: number;
      /** Results since it came up, up to `STEADY`. */
      readonly age: number;
      readonly flaps: number;
    }
  | {
      readonly kind: 'down';
      readonly last: CheckResult;
      /** Successes in a row. */
      readonly successes: number;
      readonly flaps: number;
    };

/** Who stays up for so many results has stopped flapping. */
const STEADY = 20;

/** Each early fall doubles the successes asked for, up to eightfold. */
const MAX_FLAPS = 3;

export const unknown: CheckState = { kind: 'unknown' };

/**
 * The state after one more result. The first decides at once, for nothing is known that it could disturb; after that
 * `fall` failures in a row take down, and `rise` successes in a row, doubled for each time it went down soon after it
 * had come up, bring back.
 */
export function advance(state: CheckState, result: CheckResult, { rise, fall }: Thresholds): CheckState {
  const failed = result.kind === 'fail';
  switch (state.kind) {
    case 'unknown':
      return failed
        ? { kind: 'down', last: result, successes: 0, flaps: 0 }
        : { kind: 'up', last: result, failures: 0, age: STEADY, flaps: 0 };
    case 'up': {
      const age = Math.min(state.age + 1, STEADY);
      const flaps = age < STEADY ? state.flaps : 0;
      if (!failed) return { kind: 'up', last: result, failures: 0, age, flaps };
      const failures = state.failures + 1;
      if (failures < fall) return { ...state, failures, age, flaps };
      return { kind: 'down', last: result, successes: 0, flaps: age < STEADY ? Math.min(flaps + 1, MAX_FLAPS) : 0 };
    }
    case 'down': {
      if (failed) return { ...state, last: result, successes: 0 };
      const successes = state.successes + 1;
      if (successes < rise * 2 ** state.flaps) return { ...state, successes };
      return { kind: 'up', last: result, failures: 0, age: 0, flaps: state.flaps };
    }
  }
}

/** The state as the rest of fairlead sees it. */
export function toHealth(state: CheckState): Health {
  switch (state.kind) {
    case 'unknown':
      return notChecked;
    case 'up':
      return state.last.kind === 'warn' ? { state: 'warning', reason: state.last.reason } : PASSING;
    case 'down':
      return { state: 'critical', reason: state.last.reason };
  }
}

const PASSING: Health = { state: 'passing', reason: '' };
