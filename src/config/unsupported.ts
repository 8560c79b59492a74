/** An option of the contract whose feature this version does not have yet: asking for it is an error, never silence. */
interface Unsupported {
  readonly path: readonly string[];
  /** Which values ask for what is not there; without them any list that holds something does. */
  readonly values?: readonly string[];
}

export const unsupported: readonly Unsupported[] = [
  { path: ['registry', 'kind'], values: ['consul'] },
  { path: ['mesh', 'backend'], values: ['iptables', 'ipvs'] },
  { path: ['mesh', 'network'], values: ['routes', 'vxlan'] },
  { path: ['proxy', 'http'] },
  { path: ['proxy', 'https'] },
  { path: ['proxy', 'certificates'] },
  { path: ['proxy', 'routes'] },
  { path: ['proxy', 'trustedProxies'] },
];

/** Does a value, as it was written, ask for what is not there? */
export function asksFor({ values }: Unsupported, value: unknown): boolean {
  if (values === undefined) return Array.isArray(value) && value.length > 0;
  return typeof value === 'string' && values.includes(value);
}
