import type { Service } from '../../../src/model/table.ts';
import { service } from '../../support/services.ts';

/** The `n`th service, with so many endpoints. */
export const numbered = (n: number, endpoints: number): Service =>
  service(`s${n}`, {
    vip: `10.96.${n >> 8}.${n & 255}`,
    endpoints: Object.fromEntries(
      Array.from({ length: endpoints }, (_, i) => [`e${i}`, `10.${1 + i}.${n >> 8}.${n & 255}`]),
    ),
  });

export const many = (count: number, endpoints: number): readonly Service[] =>
  Array.from({ length: count }, (_, i) => numbered(i + 1, endpoints));
