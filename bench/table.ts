import { type BuiltTable, buildTable, type TableInput } from '../src/model/build.ts';
import { claimKeys } from '../src/model/claims.ts';
import type { Registration, ServiceKey } from '../src/model/service.ts';
import { row } from '../test/support/rows.ts';
import { median, ms, report, spread, timed } from './report.ts';

const SERVICES = 10_000;

/** 10,000 services of three endpoints each, half of them on other nodes. */
function makeInput(): TableInput {
  const local = new Map<ServiceKey, readonly Registration[]>();
  const rows = new Map<ServiceKey, readonly Registration[]>();
  const claims = new Map<string, string>();
  for (let i = 0; i < SERVICES; i++) {
    const name = `service-${i}`;
    const node = i % 2 === 0 ? 'n1' : 'n2';
    const group = [0, 1, 2].map((e) =>
      row(name, `${name}-${e}`, { node, address: `10.${1 + (i >> 13)}.${(i >> 5) & 255}.${((i & 31) << 3) + e}` }),
    );
    (node === 'n1' ? local : rows).set(name, group);
    claims.set(claimKeys.vipOfService(name), `10.96.${i >> 8}.${i & 255}`);
  }
  return { node: 'n1', rows, local, claims, nodes: [], problems: [] };
}

export async function run(): Promise<void> {
  const input = makeInput();
  const cold = await timed(15, () => buildTable(input));
  let built: BuiltTable = buildTable(input);
  const [name, group] = [...input.local][4711] ?? [];
  if (name === undefined || group === undefined) throw new Error('no such service');
  const change = await timed(300, (i) => {
    const state = i % 2 === 0 ? 'critical' : 'passing';
    const local = new Map(input.local).set(name, [...group.slice(0, 2), row(name, `${name}-2`, { state })]);
    built = buildTable({ ...input, local }, built);
  });
  report('table', [
    { what: 'cold build, 10,000 services × 3 endpoints (median of 15)', value: ms(median(cold)), target: '≤ 150 ms' },
    { what: 'one endpoint changed', value: spread(change), target: 'part of ≤ 15 ms end to end' },
  ]);
}
