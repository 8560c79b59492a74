import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus, release } from 'node:os';
import { join } from 'node:path';

export interface Row {
  readonly what: string;
  /** The figure with its unit, as printed: `12.3 ms`. */
  readonly value: string;
  /** The bound that the project has set itself, as printed: `≤ 150 ms`. */
  readonly target?: string;
}

/** `values` sorted; `q` between 0 and 1. */
export function quantile(values: readonly number[], q: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? Number.NaN;
}

export const median = (values: readonly number[]): number => quantile(values, 0.5);

export const ms = (value: number): string => `${value < 10 ? value.toFixed(2) : value.toFixed(0)} ms`;

/** `p50 1.20 ms, p99 3.40 ms (n = 200)` */
export const spread = (values: readonly number[]): string =>
  `p50 ${ms(median(values))}, p95 ${ms(quantile(values, 0.95))}, p99 ${ms(quantile(values, 0.99))} (n = ${values.length})`;

/** Runs `work` `times` times and returns how long each took, milliseconds. */
export async function timed(times: number, work: (run: number) => unknown): Promise<number[]> {
  const taken: number[] = [];
  for (let run = 0; run < times; run++) {
    const start = performance.now();
    await work(run);
    taken.push(performance.now() - start);
  }
  return taken;
}

/** Prints the figures of one area as a table and keeps them in bench/results/. */
export function report(area: string, rows: readonly Row[]): void {
  const machine = `${cpus().length} × ${cpus()[0]?.model ?? 'unknown'}, Linux ${release()}, Node ${process.version}`;
  const commit = execFileSync('git', ['rev-parse', '--short', 'HEAD'], { encoding: 'utf8' }).trim();
  const width = Math.max(...rows.map((row) => row.what.length));
  const lines = [
    `## ${area} at ${commit} on ${machine}`,
    '',
    ...rows.map(
      (row) => `${row.what.padEnd(width)}  ${row.value}${row.target === undefined ? '' : `   [${row.target}]`}`,
    ),
  ];
  console.log(`${lines.join('\n')}\n`);
  const folder = join(import.meta.dirname, 'results');
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, `${area}.txt`), `${lines.join('\n')}\n`);
}
