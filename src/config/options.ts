import type { z } from 'zod';
import { type OptionMeta, optionMeta } from './fields.ts';
import { configSchema } from './schema.ts';

/** One option of the configuration, found by walking the schema. */
export interface OptionInfo extends OptionMeta {
  /** `['dns', 'ttl', 'vip']`. */
  readonly path: readonly string[];
  /** `dns.ttl.vip`. */
  readonly key: string;
  /** `FAIRLEAD_DNS_TTL_VIP`. */
  readonly variable: string;
}

/** `['mesh', 'vipCidr']` → `FAIRLEAD_MESH_VIP_CIDR`. */
const variableName = (path: readonly string[]): string =>
  ['FAIRLEAD', ...path.map((step) => step.replace(/[A-Z]/g, '_$&').toUpperCase())].join('_');

/** The keys of a section, or undefined for an option. */
function shapeOf(schema: z.core.$ZodType): Readonly<Record<string, z.core.$ZodType>> | undefined {
  const { def } = schema._zod as z.core.$ZodTypeInternals & {
    def: { innerType?: z.core.$ZodType; shape?: Record<string, z.core.$ZodType> };
  };
  return def.shape ?? (def.innerType === undefined ? undefined : shapeOf(def.innerType));
}

function collect(schema: z.core.$ZodType, path: readonly string[]): readonly OptionInfo[] {
  const meta = optionMeta(schema);
  if (meta !== undefined) return [{ ...meta, path, key: path.join('.'), variable: variableName(path) }];
  return Object.entries(shapeOf(schema) ?? {}).flatMap(([key, inner]) => collect(inner, [...path, key]));
}

/** Every option, in the order of the reference. */
export const options: readonly OptionInfo[] = collect(configSchema, []);
