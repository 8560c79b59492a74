/** An option of the contract whose feature this version does not have yet: asking for it is an error, never silence. */
interface Unsupported {
  readonly path: readonly string[];
  /** Does this value, as it was written, ask for what is not there? */
  readonly asks: (value: unknown) => boolean;
}

const among =
  (...values: readonly string[]) =>
  (value: unknown) =>
    typeof value === 'string' && values.includes(value);
const notEmpty = (value: unknown) => Array.isArray(value) && value.length > 0;

export const unsupported: readonly Unsupported[] = [
  { path: ['registry', 'kind'], asks: among('consul') },
  { path: ['mesh', 'backend'], asks: among('iptables', 'ipvs') },
  { path: ['mesh', 'network'], asks: among('routes', 'vxlan') },
  { path: ['proxy', 'http'], asks: notEmpty },
  { path: ['proxy', 'https'], asks: notEmpty },
  { path: ['proxy', 'certificates'], asks: notEmpty },
  { path: ['proxy', 'routes'], asks: notEmpty },
];
