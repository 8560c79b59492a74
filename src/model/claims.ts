import type { EndpointId, Protocol, ServiceKey } from './service.ts';

/**
 * Keys of the registry's claims: small cluster-wide facts of which each has one owner, set by compare-and-set.
 *
 * | key | value |
 * |---|---|
 * | `vip/name/<service key>` | the virtual address |
 * | `vip6/name/<service key>` | its IPv6 one, where `vipCidr6` is set |
 * | `vip/addr/<address>` | the service key, either family |
 * | `vip/idle/<service key>` | since when (ISO 8601) it has no endpoint |
 * | `port/<protocol>/<port>` | the service key that may publish it |
 * | `drain/<endpoint id>` | since when (ISO 8601) an operator keeps it out of rotation |
 * | `secret/<name>/<version>` | hex |
 */
export const claimKeys = {
  vipOfService: (key: ServiceKey) => `vip/name/${key}`,
  vip6OfService: (key: ServiceKey) => `vip6/name/${key}`,
  serviceOfVip: (address: string) => `vip/addr/${address}`,
  vipIdle: (key: ServiceKey) => `vip/idle/${key}`,
  published: (protocol: Protocol, port: number) => `port/${protocol}/${port}`,
  drain: (id: EndpointId) => `drain/${id}`,
  secret: (name: string, version: number) => `secret/${name}/${version}`,
} as const;

export type Claims = ReadonlyMap<string, string>;
