import { parseDuration } from '../../model/duration.ts';
import { printable } from '../../model/names.ts';
import type { CheckSpec, Probe } from '../../model/service.ts';
import { parseUrlPath } from '../static-schema.ts';
import { parseBoolean, parseCommand, type Settings } from './labels.ts';
import type { PortMapping } from './ports.ts';
import { type ServiceVariables, variablesOf } from './registrator.ts';

/** The active check of one service of a container: `fairlead.check.*`, else Registrator's `SERVICE_*CHECK_*`, or none. */
export interface CheckResult {
  readonly check?: CheckSpec;
  readonly errors: readonly string[];
}

export interface CheckContext {
  readonly settings: Settings;
  readonly variables: ServiceVariables;
  readonly ports: readonly PortMapping[];
  /** What `$SERVICE_IP` stands for in a check script. */
  readonly address: string;
}

const TIMINGS = ['check.interval', 'check.timeout', 'check.rise', 'check.fall'] as const;

export function checkOf(context: CheckContext): CheckResult {
  const { settings } = context;
  const declared = declaredProbes(settings);
  const foreign = declared.length === 0 ? registratorProbe(context) : { errors: [] };
  const errors = [...foreign.errors];
  if (declared.length > 1) errors.push('expected one of fairlead.check.http, .tcp and .exec');
  const probe = declared[0] ?? foreign.probe;
  if (probe === undefined) {
    const useless = foreign.errors.length > 0 ? undefined : TIMINGS.find((label) => settings[label] !== undefined);
    if (useless !== undefined) errors.push(`fairlead.${useless} is without a check it could apply to`);
    return { errors };
  }
  const check = {
    probe,
    intervalMs: settings['check.interval'] ?? foreign.intervalMs ?? 2000,
    timeoutMs: settings['check.timeout'] ?? foreign.timeoutMs ?? 1000,
    rise: settings['check.rise'] ?? 2,
    fall: settings['check.fall'] ?? 3,
  };
  return errors.length > 0 ? { errors } : { check, errors };
}

function declaredProbes(settings: Settings): readonly Probe[] {
  const { 'check.http': path, 'check.tcp': tcp, 'check.exec': command } = settings;
  return [
    ...(path === undefined ? [] : [{ kind: 'http' as const, path }]),
    ...(tcp === true ? [{ kind: 'tcp' as const }] : []),
    ...(command === undefined ? [] : [{ kind: 'exec' as const, command }]),
  ];
}

interface RegistratorCheck {
  readonly probe?: Probe;
  readonly intervalMs?: number;
  readonly timeoutMs?: number;
  readonly errors: readonly string[];
}

const PROBES = ['check_http', 'check_tcp', 'check_script', 'check_cmd'];

/**
 * A port's own check asks that port. A script's exit codes mean what they mean to Consul, for which it was written.
 * `CHECK_TTL` needs nothing from us: the application itself reports to Consul.
 */
function registratorProbe({ variables, ports, address }: CheckContext): RegistratorCheck {
  const own = ports.find(({ containerPort }) =>
    PROBES.some((key) => variables.perPort.get(containerPort)?.has(key) === true),
  );
  const asked = own ?? ports[0];
  if (asked === undefined) return { errors: [] };
  const values = variablesOf(variables, [asked.containerPort]);
  const [key, text] = PROBES.map((probe) => [probe, values.get(probe)?.trim() ?? ''] as const).find(
    ([, value]) => value !== '',
  ) ?? ['', ''];
  if (key === '' || parseBoolean(text) === false) return { errors: [] };
  const port = own === undefined ? {} : { port: asked.containerPort };
  const errors: string[] = [];
  const refuse = (variable: string, expected: string) => {
    errors.push(
      `SERVICE_${variable.toUpperCase()}: expected ${expected}, got ${printable(values.get(variable) ?? '')}`,
    );
    return undefined;
  };
  const probe = (): Probe | undefined => {
    if (key === 'check_http') {
      const path = parseUrlPath(text);
      return path === undefined ? refuse(key, 'a path such as /healthz') : { kind: 'http', path, ...port };
    }
    if (key === 'check_tcp') {
      return parseBoolean(text) === true ? { kind: 'tcp', ...port } : refuse(key, 'true or false');
    }
    const script = text.replaceAll('$SERVICE_IP', address).replaceAll('$SERVICE_PORT', String(asked.containerPort));
    const command = parseCommand(script);
    return command === undefined ? refuse(key, 'a command') : { kind: 'exec', command, warnOn1: true };
  };
  const duration = (variable: string): number | undefined => {
    const value = values.get(variable);
    if (value === undefined) return undefined;
    const ms = parseDuration(value.trim());
    return ms === undefined || ms < 100 ? refuse(variable, 'a duration such as 15s, 100ms at least') : ms;
  };
  const found = probe();
  const intervalMs = duration('check_interval');
  const timeoutMs = duration('check_timeout');
  return {
    ...(found === undefined ? {} : { probe: found }),
    ...(intervalMs === undefined ? {} : { intervalMs }),
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
    errors,
  };
}
