import { explain, type Finding, findings, pathText, shown } from '../lib/findings.ts';
import { didYouMean } from '../lib/suggest.ts';
import { parseName } from '../model/names.ts';
import {
  type CheckSpec,
  type Probe,
  type Problem,
  type ServiceKey,
  type ServicePolicy,
  type ServicePort,
  type ServiceRef,
  serviceKey,
  type Workload,
} from '../model/service.ts';
import { type CheckEntry, type EndpointEntry, type ServiceEntry, serviceSchema } from './static-schema.ts';

/** One entry of a list of static services: its workloads, or what is wrong with it. */
export interface DecodedService {
  /** Whose entry it is, also of a bad one where that much can be read. */
  readonly key?: ServiceKey;
  /** Empty when anything at all is wrong. */
  readonly workloads: readonly Workload[];
  readonly findings: readonly Finding[];
}

/** Reads one entry of a list of static services (contract: Configuration). Paths of findings start at the entry. */
export function decodeService(input: unknown): DecodedService {
  const result = serviceSchema.safeParse(input, { error: explain });
  if (!result.success) return refused(input, findings(result.error.issues));
  const entry = result.data;
  const ports = servicePorts(entry);
  const wrong = [
    ...portFindings(ports),
    ...entry.endpoints.flatMap((endpoint, at) => mapFindings(endpoint, at, ports)),
  ];
  if (wrong.length > 0) return refused(input, wrong);
  const service: ServiceRef =
    entry.stack === undefined ? { name: entry.name } : { name: entry.name, stack: entry.stack };
  const policy = policyOf(entry, ports);
  return {
    key: serviceKey(service),
    workloads: entry.endpoints.map((endpoint) => workload(service, policy, endpoint)),
    findings: [],
  };
}

function refused(input: unknown, wrong: readonly Finding[]): DecodedService {
  const { name, stack } = (typeof input === 'object' && input !== null ? input : {}) as Record<string, unknown>;
  const read = (value: unknown) => (typeof value === 'string' ? parseName(value) : undefined);
  const service = read(name);
  if (service === undefined || (stack !== undefined && read(stack) === undefined))
    return { workloads: [], findings: wrong };
  const inStack = read(stack);
  const key = serviceKey(inStack === undefined ? { name: service } : { name: service, stack: inStack });
  return { key, workloads: [], findings: wrong };
}

/** An unnamed port is called by its number. */
function servicePorts(entry: ServiceEntry): readonly ServicePort[] {
  return entry.ports.map(({ name, port, protocol, publish }) => ({
    name: name ?? String(port),
    port,
    protocol,
    ...(publish === undefined ? {} : { publish }),
  }));
}

function portFindings(ports: readonly ServicePort[]): readonly Finding[] {
  const wrong: Finding[] = [];
  const taken = new Set<string>();
  const once = (index: number, key: string, value: string, thing: string) => {
    if (taken.has(`${key} ${thing}`))
      wrong.push({ path: ['ports', index, key], message: `${value} stands here twice` });
    taken.add(`${key} ${thing}`);
  };
  for (const [index, { name, port, protocol, publish }] of ports.entries()) {
    once(index, 'name', name, name);
    once(index, 'port', `${protocol} port ${port}`, `${protocol}/${port}`);
    if (publish !== undefined) once(index, 'publish', `${protocol} port ${publish}`, `${protocol}/${publish}`);
  }
  return wrong;
}

/** The keys of an endpoint's port map are the names of the service's ports, no more and no less. */
function mapFindings({ port }: EndpointEntry, at: number, ports: readonly ServicePort[]): readonly Finding[] {
  const path = ['endpoints', at, 'port'];
  const names = ports.map(({ name }) => name);
  if (typeof port === 'number') {
    // A DNS server's 53/udp and 53/tcp are one number; two numbers behind one are a mistake.
    const several = new Set(ports.map(({ port }) => port)).size > 1;
    return several ? [{ path, message: `expected a map with the keys ${names.join(', ')}, got ${port}` }] : [];
  }
  const given = Object.keys(port);
  return [
    ...given
      .filter((name) => !names.includes(name.toLowerCase()))
      .map((name) => ({ path: [...path, name], message: `the service has no such port${didYouMean(name, names)}` })),
    ...names
      .filter((name) => !given.some((key) => key.toLowerCase() === name))
      .map((name) => ({ path, message: `the port ${name} of the service is missing` })),
  ];
}

function policyOf(entry: ServiceEntry, ports: readonly ServicePort[]): ServicePolicy {
  const { affinity, traffic, schedule, vip, drain, http } = entry;
  const route = http === undefined ? {} : { http };
  return { ports, affinity, traffic, schedule, vip, drainMs: drain, ...route };
}

function workload(service: ServiceRef, policy: ServicePolicy, endpoint: EndpointEntry): Workload {
  const { port } = endpoint;
  const ports =
    typeof port === 'number'
      ? policy.ports.map(({ name }) => [name, port] as const)
      : Object.entries(port).map(([name, number]) => [name.toLowerCase(), number] as const);
  return {
    localId: endpoint.id,
    service,
    policy,
    address: endpoint.address,
    ports: new Map(ports),
    weight: endpoint.weight,
    tags: [],
    meta: new Map(),
    relay: endpoint.relay,
    health: { state: 'passing', reason: '' },
    ...(endpoint.check === undefined ? {} : { check: checkOf(endpoint.check) }),
  };
}

function checkOf(check: CheckEntry): CheckSpec {
  const { interval, timeout, rise, fall } = check;
  return { probe: probeOf(check), intervalMs: interval, timeoutMs: timeout, rise, fall };
}

function probeOf({ http, exec }: CheckEntry): Probe {
  if (http !== undefined) return { kind: 'http', path: http };
  return exec === undefined ? { kind: 'tcp' } : { kind: 'exec', command: exec };
}

/** An endpoint id is unique on a host: later entries that use one again are refused. */
export function refuseTakenIds(entries: readonly DecodedService[]): readonly DecodedService[] {
  const owners = new Map<string, number>();
  return entries.map((entry, index) => {
    const wrong = entry.workloads.flatMap(({ localId }, at): readonly Finding[] => {
      const owner = owners.get(localId);
      if (owner === undefined) owners.set(localId, index);
      return owner === undefined
        ? []
        : [{ path: ['endpoints', at, 'id'], message: `${shown(localId)} is already the id of another endpoint` }];
    });
    return wrong.length === 0 ? entry : { ...entry, workloads: [], findings: wrong };
  });
}

/** What is wrong with one entry as a problem to show; `where` is the file. */
export function serviceProblem(entry: DecodedService, index: number, where: string): Problem {
  const said = entry.findings.map(({ path, message }) => `${pathText([index, ...path])}: ${message}`);
  return {
    code: 'static-service',
    subject: entry.key === undefined ? `${where}[${index}]` : `service ${entry.key}`,
    message: `${where}: ${said.slice(0, 10).join('; ')}`,
  };
}

/**
 * Reads a list of static services as `services:` and `servicesFile` hold it. A bad entry becomes a problem and leaves
 * the others alone; `where` (a file's path) begins each message.
 */
export function decodeStaticServices(
  input: unknown,
  where: string,
): { readonly workloads: readonly Workload[]; readonly problems: readonly Problem[] } {
  if (!Array.isArray(input)) {
    const message = `${where}: expected a list of services, got ${shown(input)}`;
    return { workloads: [], problems: [{ code: 'static-service', subject: where, message }] };
  }
  const entries = refuseTakenIds(input.map(decodeService));
  return {
    workloads: entries.flatMap((entry) => entry.workloads),
    problems: entries.flatMap((entry, index) =>
      entry.findings.length > 0 ? [serviceProblem(entry, index, where)] : [],
    ),
  };
}
