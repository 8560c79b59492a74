import { parseName } from '../../model/names.ts';
import { parsePort } from '../../model/policy.ts';
import type { Protocol } from '../../model/service.ts';
import type { ExposedPort } from './container.ts';

/** One port of a service and where it leads in the container. */
export interface PortMapping {
  readonly name: string;
  readonly port: number;
  readonly protocol: Protocol;
  readonly containerPort: number;
}

/** A port opened on every node, and the port of the virtual address it leads to. */
export interface Publication {
  readonly publish: number;
  readonly port: number;
  readonly protocol: Protocol;
}

/** `http=80:3000/tcp, 53/udp`: VIP port : container port. Undefined where it does not parse or says something twice. */
export function parsePorts(text: string): readonly PortMapping[] | undefined {
  const entries = text.split(',').map((entry) => {
    const match = /^(?:([^=:/]+)=)?(\d+)(?::(\d+))?(?:\/(tcp|udp))?$/.exec(entry.trim());
    const port = parsePort(match?.[2] ?? '');
    const containerPort = match?.[3] === undefined ? port : parsePort(match[3]);
    const name = match?.[1] === undefined ? undefined : parseName(match[1]);
    if (match === null || port === undefined || containerPort === undefined) return undefined;
    if (match[1] !== undefined && name === undefined) return undefined;
    return { name, port, containerPort, protocol: protocolOf(match[4]) };
  });
  if (!entries.every((entry) => entry !== undefined)) return undefined;
  const ports = nameUnnamed(entries);
  const once =
    unique(ports.map(({ name }) => name)) && unique(ports.map(({ port, protocol }) => `${port}/${protocol}`));
  return once ? ports : undefined;
}

/** Every exposed port to itself. */
export const exposedPorts = (exposed: readonly ExposedPort[]): readonly PortMapping[] =>
  nameUnnamed(exposed.map(({ port, protocol }) => ({ name: undefined, port, protocol, containerPort: port })));

/** `8080:80/tcp, 8443:443`: node port : VIP port. Undefined where it does not parse or a port stands there twice. */
export function parsePublications(text: string): readonly Publication[] | undefined {
  const entries = text.split(',').map((entry) => {
    const match = /^(\d+):(\d+)(?:\/(tcp|udp))?$/.exec(entry.trim());
    const publish = parsePort(match?.[1] ?? '');
    const port = parsePort(match?.[2] ?? '');
    return publish === undefined || port === undefined
      ? undefined
      : { publish, port, protocol: protocolOf(match?.[3]) };
  });
  if (!entries.every((entry) => entry !== undefined)) return undefined;
  const once =
    unique(entries.map(({ publish, protocol }) => `${publish}/${protocol}`)) &&
    unique(entries.map(({ port, protocol }) => `${port}/${protocol}`));
  return once ? entries : undefined;
}

const protocolOf = (text: string | undefined): Protocol => (text === 'udp' ? 'udp' : 'tcp');

const unique = (texts: readonly string[]): boolean => new Set(texts).size === texts.length;

/** An unnamed port is called by its number; of a number with both protocols, UDP's is `53-udp`. */
function nameUnnamed(
  ports: readonly (Omit<PortMapping, 'name'> & { readonly name: string | undefined })[],
): readonly PortMapping[] {
  const both = (port: number) => ports.some((other) => other.port === port && other.protocol === 'tcp');
  return ports.map(({ name, ...port }) => ({
    ...port,
    name: name ?? (port.protocol === 'udp' && both(port.port) ? `${port.port}-udp` : String(port.port)),
  }));
}
