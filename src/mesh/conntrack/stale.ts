import { isIPv6 } from 'node:net';
import { inRotation, type Protocol, type ServicePort } from '../../model/service.ts';
import type { Endpoint, Service } from '../../model/table.ts';

export interface Target {
  readonly address: string;
  readonly port: number;
}

/** Where a client sends to: a virtual address, or a published port on any address of this host. */
export type Destination =
  | { readonly kind: 'vip'; readonly address: string; readonly port: number }
  | { readonly kind: 'published'; readonly family: 4 | 6; readonly port: number };

/** Connection tracking entries that must go. */
export interface StaleFlows {
  readonly protocol: Protocol;
  readonly destination: Destination;
  /** Those translated to this endpoint, those not translated at all, or all of a virtual address. */
  readonly translatedTo: Target | 'nothing' | 'anything';
}

/**
 * The entries that a change of one service makes wrong; call it after the rules have changed.
 * `undefined` is a service that does not exist (yet, or any more).
 *
 * | what happened to an endpoint's address and port | TCP | UDP |
 * |---|---|---|
 * | became critical, or was removed, or moved elsewhere | its flows go: clients fail fast | its flows go: clients reach another |
 * | draining | stays, until `drainedFlows` at the deadline | the same |
 * | the last one in rotation, and none is draining | as above | all flows of the VIP go, none sticks to the past |
 * | the first one in rotation | nothing: a refused client opens a new connection | flows that began before and are translated to nothing go |
 *
 * An endpoint with weight 0 keeps its flows. Flows to other addresses on the same port are not touched.
 */
export function staleFlows(before: Service | undefined, after: Service | undefined): readonly StaleFlows[] {
  const had = before === undefined ? new Map<string, Route>() : routesOf(before);
  const has = after === undefined ? new Map<string, Route>() : routesOf(after);
  return [
    ...[...had].flatMap(([key, route]) => departed(route, has.get(key))),
    ...[...has].flatMap(([key, route]) => (route.served && !(had.get(key)?.served ?? false) ? unborn(route) : [])),
  ];
}

/** The flows to one endpoint, whatever its state, that no other of the service answers for: for the end of its drain. */
export function drainedFlows(service: Service, endpoint: Endpoint): readonly StaleFlows[] {
  const others = service.endpoints.filter(({ id, state }) => id !== endpoint.id && inRotation(state));
  const kept = routesOf({ ...service, endpoints: others });
  const own = routesOf({ ...service, endpoints: [endpoint] }, () => true);
  return [...own].flatMap(([key, { protocol, destination, targets }]) =>
    [...targets]
      .filter(([target]) => !(kept.get(key)?.targets.has(target) ?? false))
      .map(([, translatedTo]) => ({ protocol, destination, translatedTo })),
  );
}

/** One destination of a service, and where its flows may go on. */
export interface Route {
  readonly protocol: Protocol;
  readonly destination: Destination;
  readonly targets: ReadonlyMap<string, Target>;
  /** New flows have somewhere to go. */
  readonly served: boolean;
}

/** Every destination of a service with the targets whose flows may go on, keyed `<address> <port>`. */
export const liveRoutes = (service: Service): readonly Route[] => [...routesOf(service).values()];

const mayGoOn = ({ state }: Endpoint): boolean => inRotation(state) || state === 'draining';

function routesOf(service: Service, keeps: (endpoint: Endpoint) => boolean = mayGoOn): ReadonlyMap<string, Route> {
  const routes = new Map<string, Route>();
  for (const port of service.ports) {
    for (const destination of destinationsOf(service, port)) {
      const family = familyOf(destination);
      const targets = new Map<string, Target>();
      let served = false;
      for (const endpoint of service.endpoints) {
        const target = keeps(endpoint) ? targetOf(endpoint, port, family) : undefined;
        if (target === undefined) continue;
        targets.set(`${target.address} ${target.port}`, target);
        served ||= inRotation(endpoint.state);
      }
      const route = { protocol: port.protocol, destination, targets, served };
      routes.set(JSON.stringify([port.protocol, destination]), route);
    }
  }
  return routes;
}

function destinationsOf({ vip, vip6 }: Service, { port, publish }: ServicePort): readonly Destination[] {
  const vips = [vip, vip6].filter((address) => address !== undefined);
  return [
    ...vips.map((address): Destination => ({ kind: 'vip', address, port })),
    ...(publish === undefined
      ? []
      : ([4, 6] as const).map((family): Destination => ({ kind: 'published', family, port: publish }))),
  ];
}

/** Translation keeps the family: an endpoint without an address in it is no target. */
function targetOf(endpoint: Endpoint, port: ServicePort, family: 4 | 6): Target | undefined {
  const address = [endpoint.address, endpoint.address6].find(
    (one) => one !== undefined && isIPv6(one) === (family === 6),
  );
  const number = endpoint.ports.get(port.name);
  return address === undefined || number === undefined ? undefined : { address, port: number };
}

export const familyOf = (destination: Destination): 4 | 6 =>
  destination.kind === 'published' ? destination.family : isIPv6(destination.address) ? 6 : 4;

function departed({ protocol, destination, targets }: Route, now: Route | undefined): readonly StaleFlows[] {
  const gone = [...targets].filter(([key]) => !(now?.targets.has(key) ?? false));
  if (gone.length === 0) return [];
  const nothingLeft = now === undefined || now.targets.size === 0;
  if (protocol === 'udp' && destination.kind === 'vip' && nothingLeft) {
    return [{ protocol, destination, translatedTo: 'anything' }];
  }
  return gone.map(([, translatedTo]) => ({ protocol, destination, translatedTo }));
}

const unborn = ({ protocol, destination }: Route): readonly StaleFlows[] =>
  protocol === 'udp' ? [{ protocol, destination, translatedTo: 'nothing' }] : [];
