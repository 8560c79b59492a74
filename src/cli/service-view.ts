import type { EndpointJson, ServiceJson } from '../admin/json.ts';
import { inRotation, serviceKey } from '../model/service.ts';
import { type Cell, type Colour, formatFields, formatTable, printable } from './format.ts';

const STATE_COLOURS: Record<EndpointJson['state'], Colour> = {
  passing: 'green',
  warning: 'yellow',
  critical: 'red',
  draining: 'cyan',
};

export const keyOf = ({ name, stack }: ServiceJson): string => serviceKey(stack === null ? { name } : { name, stack });

/** All services, a line each. */
export function servicesTable(services: readonly ServiceJson[], hasColour: boolean): string {
  if (services.length === 0) return 'no services';
  const rows = services.map((service): readonly Cell[] => {
    const healthy = service.endpoints.filter(({ state }) => inRotation(state)).length;
    const colour = healthy === service.endpoints.length ? undefined : healthy === 0 ? 'red' : 'yellow';
    return [
      keyOf(service),
      service.vip ?? '-',
      service.ports.map(portText).join(', ') || '-',
      { text: `${healthy}/${service.endpoints.length}`, colour: service.endpoints.length === 0 ? 'red' : colour },
    ];
  });
  return formatTable({ head: ['SERVICE', 'VIP', 'PORTS', 'ENDPOINTS'], rows }, hasColour);
}

/** One service with all that is known of it. */
export function serviceDetail(service: ServiceJson, hasColour: boolean): string {
  const fields: readonly (readonly [string, Cell])[] = [
    ['Service', { text: keyOf(service), colour: 'bold' }],
    ['VIP', [service.vip, service.vip6].filter((vip) => vip !== null).join(', ') || '-'],
    ['Ports', service.ports.map(namedPortText).join(', ') || '-'],
    ['Policy', `affinity ${service.affinity}, traffic ${service.traffic}, schedule ${service.schedule}`],
    ['Drain', service.drain],
  ];
  return [formatFields(fields, hasColour), '', endpointsTable(service.endpoints, hasColour)].join('\n');
}

function endpointsTable(endpoints: readonly EndpointJson[], hasColour: boolean): string {
  if (endpoints.length === 0) return 'no endpoints';
  const rows = endpoints.map((endpoint): readonly Cell[] => [
    endpoint.id,
    endpoint.node,
    hostPort(endpoint.address, endpoint.port),
    endpoint.weight,
    { text: endpoint.state, colour: STATE_COLOURS[endpoint.state] },
    endpoint.connections ?? '-',
    endpoint.reason,
  ]);
  const head = ['ENDPOINT', 'NODE', 'ADDRESS', 'WEIGHT', 'STATE', 'CONNECTIONS', 'REASON'];
  return formatTable({ head, rows }, hasColour);
}

function hostPort(address: string, port: number | null): string {
  if (port === null) return address;
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}

type PortJson = ServiceJson['ports'][number];

/** As `docker ps` writes it: `8080->80/tcp`. */
const portText = ({ port, protocol, publish }: PortJson): string =>
  `${publish === null ? '' : `${publish}->`}${port}/${protocol}`;

const namedPortText = (port: PortJson): string =>
  port.name === String(port.port) ? portText(port) : `${printable(port.name)} ${portText(port)}`;
