import { nameRule, parseName } from '../../model/names.ts';
import { defaultPolicy } from '../../model/policy.ts';
import type { Health, HttpRoute, Problem, ServicePolicy, ServicePort, Workload } from '../../model/service.ts';
import { checkOf } from './check.ts';
import type { Container } from './container.ts';
import { readLabels, type Settings } from './labels.ts';
import { nameOf } from './naming.ts';
import { exposedPorts, type PortMapping } from './ports.ts';
import { metaOf, parseTags, readServiceVariables, type ServiceVariables, variablesOf } from './registrator.ts';

/** What one container declares. */
export interface Declaration {
  /** One per service; empty for a container that runs no service of ours, and for one with a problem. */
  readonly workloads: readonly Workload[];
  readonly problem?: Problem;
}

const nothing: Declaration = { workloads: [] };

/**
 * Reads a container's labels, variables, networks and state (contract: Labels on containers).
 * `nodeAddress` is where a container on the host's own network is reached. Anything not understood makes a problem of
 * this container, with all errors at once; nothing throws.
 */
export function declarationOf(container: Container, nodeAddress: string): Declaration {
  const { labels } = container;
  if (container.phase === 'stopped' || labels.get('com.docker.compose.oneoff')?.toLowerCase() === 'true')
    return nothing;
  const { settings, errors } = readLabels(labels);
  const declaration = read(container, nodeAddress, { settings, errors });
  if (declaration.problem !== undefined || settings.ip === undefined || settings.enable === false) return declaration;
  const message = 'fairlead.ip is not in this version: the container keeps the address that Docker gave it';
  return { ...declaration, problem: { code: 'unsupported', subject: `container ${container.name}`, message } };
}

function read(
  container: Container,
  nodeAddress: string,
  { settings, errors }: ReturnType<typeof readLabels>,
): Declaration {
  const variables = readServiceVariables(container);
  if (!isEnabled(container, settings, variables)) return nothing;
  if (errors.length > 0) return refused(container, errors);
  const ports = portsOf(container, settings, variables);
  if (ports.length === 0) {
    // A container that only asks for a fixed address, or only names variables like ours, need not be a service.
    const meant = [...container.labels.keys()].some((label) => label.startsWith('fairlead.') && !ADDRESSING.has(label));
    return meant ? refused(container, ['exposes no port: set fairlead.port, e.g. fairlead.port=80:3000']) : nothing;
  }
  const address = addressOf(container, settings, nodeAddress);
  if ('error' in address) return refused(container, [address.error]);
  return assemble({ container, settings, variables, ports, address });
}

const ADDRESSING: ReadonlySet<string> = new Set(['fairlead.ip', 'fairlead.bridge', 'fairlead.network']);

function isEnabled(
  { labels, publishes }: Container,
  settings: Settings,
  { common, perPort }: ServiceVariables,
): boolean {
  if (settings.enable !== undefined) return settings.enable;
  if ([...labels.keys()].some((label) => label.startsWith('fairlead.'))) return true;
  if ((common.get('ignore') ?? '') !== '') return false;
  return publishes || common.size > 0 || perPort.size > 0;
}

/** The ports of `fairlead.port`, else those exposed that are not `SERVICE_<port>_IGNORE`d. */
function portsOf({ exposed }: Container, settings: Settings, { perPort }: ServiceVariables): readonly PortMapping[] {
  if (settings.port !== undefined) return settings.port;
  return exposedPorts(exposed.filter(({ port }) => (perPort.get(port)?.get('ignore') ?? '') === ''));
}

interface Address {
  readonly address: string;
  readonly address6?: string;
}

/** The first network's addresses in the order of names; one with IPv4 before one without. */
function addressOf(
  { hostNetwork, networks }: Container,
  settings: Settings,
  nodeAddress: string,
): Address | { readonly error: string } {
  if (hostNetwork) return { address: nodeAddress };
  const wanted = settings.network;
  const eligible = wanted === undefined ? networks : networks.filter(({ name }) => name === wanted);
  if (wanted !== undefined && eligible.length === 0) {
    const names = networks.map(({ name }) => name).join(', ');
    return { error: `fairlead.network: it is not on that network, but on ${names === '' ? 'none' : names}` };
  }
  const network = eligible.find(({ address }) => address !== undefined) ?? eligible.find(({ address6 }) => address6);
  const { address, address6 } = network ?? {};
  if (address !== undefined) return { address, ...(address6 === undefined ? {} : { address6 }) };
  if (address6 !== undefined) return { address: address6 };
  return { error: 'has no address of its own: attach it to a network, or set fairlead.enable=false' };
}

interface Parts {
  readonly container: Container;
  readonly settings: Settings;
  readonly variables: ServiceVariables;
  readonly ports: readonly PortMapping[];
  readonly address: Address;
}

function assemble(parts: Parts): Declaration {
  const { container, settings, variables, ports, address } = parts;
  const named = nameOf(container, settings, variables.common.get('name') || undefined);
  if (named.error !== undefined) return refused(container, [named.error]);
  const errors = publicationErrors(settings, ports);
  const byName = new Map<string, readonly PortMapping[]>();
  for (const port of ports) {
    const own = settings.name === undefined ? (variables.perPort.get(port.containerPort)?.get('name') ?? '') : '';
    const name = own === '' ? named.name : parseName(own);
    if (name === undefined) errors.push(`SERVICE_${port.containerPort}_NAME: ${nameRule(own)}`);
    else byName.set(name, [...(byName.get(name) ?? []), port]);
  }
  const http = routeOf(settings, errors);
  const workloads = [...byName].map(([name, own]): Workload => {
    const values = variablesOf(
      variables,
      own.map(({ containerPort }) => containerPort),
    );
    const { check, errors: wrong } = checkOf({ settings, variables, ports: own, address: address.address });
    errors.push(...wrong);
    return {
      localId: `${container.name}:${own[0]?.containerPort}`,
      service: { name, ...(named.stack === undefined ? {} : { stack: named.stack }) },
      policy: policyOf(settings, own, http),
      ...address,
      ports: new Map(own.map((port) => [port.name, port.containerPort])),
      weight: settings.weight ?? 1,
      tags: parseTags(values.get('tags') ?? ''),
      meta: metaOf(values),
      container: { id: container.id, name: container.name, image: container.image },
      relay: 'auto',
      health: healthOf(container, check !== undefined),
      ...(check === undefined ? {} : { check }),
    };
  });
  return errors.length > 0 ? refused(container, [...new Set(errors)]) : { workloads };
}

function publicationErrors({ publish = [] }: Settings, ports: readonly PortMapping[]): string[] {
  const known = ports.map(({ port, protocol }) => `${port}/${protocol}`);
  return publish
    .map(({ port, protocol }) => `${port}/${protocol}`)
    .filter((port) => !known.includes(port))
    .map((port) => `fairlead.publish: the service has no port ${port}, but ${known.slice(0, 10).join(', ')}`);
}

function routeOf(settings: Settings, errors: string[]): HttpRoute | undefined {
  const { 'http.host': host, 'http.path': path, 'http.priority': priority, 'http.sticky': cookie } = settings;
  const mode = settings['http.sticky.mode'];
  if (mode !== undefined && cookie === undefined) errors.push('fairlead.http.sticky.mode needs fairlead.http.sticky');
  const route = {
    ...(host === undefined ? {} : { host }),
    ...(path === undefined ? {} : { path }),
    ...(priority === undefined ? {} : { priority }),
    ...(cookie === undefined ? {} : { sticky: { cookie, mode: mode ?? ('prefix' as const) } }),
  };
  return Object.keys(route).length === 0 ? undefined : route;
}

function policyOf(settings: Settings, ports: readonly PortMapping[], http: HttpRoute | undefined): ServicePolicy {
  const publish = settings.publish ?? [];
  return {
    ports: ports.map(({ name, port, protocol }): ServicePort => {
      const published = publish.find((entry) => entry.port === port && entry.protocol === protocol);
      return { name, port, protocol, ...(published === undefined ? {} : { publish: published.publish }) };
    }),
    affinity: settings.affinity ?? defaultPolicy.affinity,
    traffic: settings.traffic ?? defaultPolicy.traffic,
    schedule: settings.schedule ?? defaultPolicy.schedule,
    vip: settings.vip ?? defaultPolicy.vip,
    drainMs: settings.drain ?? defaultPolicy.drainMs,
    ...(http === undefined ? {} : { http }),
  };
}

/** Docker's HEALTHCHECK counts only where no check of ours was asked for. */
function healthOf({ phase, health }: Container, hasCheck: boolean): Health {
  if (phase === 'paused') return { state: 'draining', reason: 'container paused' };
  if (hasCheck || health === undefined || health === 'healthy') return { state: 'passing', reason: '' };
  return { state: 'critical', reason: health === 'starting' ? 'starting' : "Docker's HEALTHCHECK fails" };
}

function refused({ name }: Container, errors: readonly string[]): Declaration {
  const message = errors.slice(0, 10).join('; ');
  return { workloads: [], problem: { code: 'label', subject: `container ${name}`, message } };
}
