import { isIPv4, isIPv6 } from 'node:net';
import { parsePort } from '../../model/policy.ts';
import type { Protocol } from '../../model/service.ts';
import { at, entriesAt, isTrueAt, itemsAt, textAt } from './json.ts';

export interface ExposedPort {
  readonly port: number;
  readonly protocol: Protocol;
}

export interface ContainerNetwork {
  readonly name: string;
  readonly address?: string;
  readonly address6?: string;
}

/** What matters of `GET /containers/{id}/json`. */
export interface Container {
  readonly id: string;
  /** Without Docker's leading slash; the short id where the name is unfit for an endpoint's id. */
  readonly name: string;
  /** As it was given: name, tag, digest. */
  readonly image: string;
  readonly phase: 'running' | 'paused' | 'stopped';
  /** What Docker's own HEALTHCHECK says; absent where the image has none. */
  readonly health?: 'starting' | 'healthy' | 'unhealthy';
  /** Tells one run of a container from the next. */
  readonly startedAt: string;
  /** `SIGTERM`, `SIGRTMIN+3`, `15`; absent where nobody set it. */
  readonly stopSignal?: string;
  readonly labels: ReadonlyMap<string, string>;
  readonly env: ReadonlyMap<string, string>;
  /** TCP and UDP, of the image and of `--expose` and `-p`; by number, TCP first. */
  readonly exposed: readonly ExposedPort[];
  /** Does Docker publish a port of it on this host? */
  readonly publishes: boolean;
  readonly hostNetwork: boolean;
  /** By name. */
  readonly networks: readonly ContainerNetwork[];
}

const ID = /^[0-9a-f]{12,64}$/;
/** Docker's own rule for names, with a bound. */
const CONTAINER_NAME = /^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,127}$/;

/** Reads the Engine's answer to an inspect; undefined where it is none. Fields of an unexpected type count as absent. */
export function decodeContainer(value: unknown): Container | undefined {
  const id = textAt(value, 'Id');
  if (id === undefined || !ID.test(id) || typeof at(value, 'State') !== 'object') return undefined;
  const name = (textAt(value, 'Name') ?? '').replace(/^\//, '');
  const health = decodeHealth(textAt(value, 'State', 'Health', 'Status'));
  const stopSignal = textAt(value, 'Config', 'StopSignal');
  return {
    id,
    name: CONTAINER_NAME.test(name) ? name : id.slice(0, 12),
    image: (textAt(value, 'Config', 'Image') ?? '').slice(0, 512),
    phase: decodePhase(value),
    ...(health === undefined ? {} : { health }),
    startedAt: textAt(value, 'State', 'StartedAt') ?? '',
    ...(stopSignal === undefined || stopSignal === '' ? {} : { stopSignal }),
    labels: new Map(entriesAt(value, 'Config', 'Labels').filter(isTextEntry)),
    env: new Map(itemsAt(value, 'Config', 'Env').flatMap(decodeVariable)),
    exposed: entriesAt(value, 'Config', 'ExposedPorts')
      .flatMap(([port]) => decodeExposed(port))
      .sort((a, b) => a.port - b.port || (a.protocol < b.protocol ? -1 : 1)),
    publishes:
      isTrueAt(value, 'HostConfig', 'PublishAllPorts') || entriesAt(value, 'HostConfig', 'PortBindings').length > 0,
    hostNetwork: textAt(value, 'HostConfig', 'NetworkMode') === 'host',
    networks: entriesAt(value, 'NetworkSettings', 'Networks')
      .map(([network, settings]) => decodeNetwork(network, settings))
      .sort((a, b) => (a.name < b.name ? -1 : 1)),
  };
}

function decodePhase(value: unknown): Container['phase'] {
  const is = (flag: string) => isTrueAt(value, 'State', flag);
  // A container between two attempts of its restart policy is `Running` and `Restarting`.
  if (!is('Running') || is('Restarting') || is('Dead')) return 'stopped';
  return is('Paused') ? 'paused' : 'running';
}

/** `none` is what Docker says of a HEALTHCHECK that was switched off. */
const decodeHealth = (status: string | undefined): Container['health'] =>
  status === 'starting' || status === 'healthy' || status === 'unhealthy' ? status : undefined;

const isTextEntry = (entry: readonly [string, unknown]): entry is readonly [string, string] =>
  typeof entry[1] === 'string';

function decodeVariable(variable: unknown): readonly (readonly [string, string])[] {
  const at = typeof variable === 'string' ? variable.indexOf('=') : -1;
  return typeof variable === 'string' && at > 0 ? [[variable.slice(0, at), variable.slice(at + 1)]] : [];
}

/** `80/tcp`; SCTP is left out. */
function decodeExposed(text: string): readonly ExposedPort[] {
  const [number = '', protocol = 'tcp'] = text.split('/');
  const port = parsePort(number);
  return port !== undefined && (protocol === 'tcp' || protocol === 'udp') ? [{ port, protocol }] : [];
}

/** The same for an inspected container and for one of a list. */
export function decodeNetwork(name: string, settings: unknown): ContainerNetwork {
  const address = textAt(settings, 'IPAddress') ?? '';
  const address6 = textAt(settings, 'GlobalIPv6Address') ?? '';
  return { name, ...(isIPv4(address) ? { address } : {}), ...(isIPv6(address6) ? { address6 } : {}) };
}
