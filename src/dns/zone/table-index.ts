import type { ClusterNode, Endpoint, Service, ServiceTable } from '../../model/table.ts';
import { canonicalAddress, isLoopback } from '../address.ts';
import { MultiMap } from './multi-map.ts';

const EMPTY: ServiceTable = { revision: 0, services: new Map(), byName: new Map(), nodes: new Map(), problems: [] };

/**
 * What DNS looks up in a table other than services by name: whose an address is, in which stack a client is,
 * which stacks and nodes there are. `moveTo` follows from table to table by the services' identity,
 * so that one change among 10,000 services costs one service.
 */
export class TableIndex {
  /** This node: where container addresses of several nodes overlap (every Docker has 172.17.0.0/16), its own count. */
  readonly #node: string;
  #table = EMPTY;
  readonly #indexed = new Map<string, Service>();
  readonly #owners = new MultiMap<Service>();
  readonly #vips = new Map<string, Service>();
  readonly #stackSizes = new Map<string, number>();
  #nodesByName = new Map<string, ClusterNode>();
  #nodesByAddress = new Map<string, ClusterNode>();
  #stackOfClient = new Map<string, string | undefined>();

  constructor(node: string) {
    this.#node = node;
  }

  get table(): ServiceTable {
    return this.#table;
  }

  /** True where the table is another one than before. */
  moveTo(table: ServiceTable): boolean {
    if (table === this.#table) return false;
    for (const [key, service] of table.services) {
      const before = this.#indexed.get(key);
      if (before === service) continue;
      if (before !== undefined) this.#remove(before);
      this.#add(service);
      this.#indexed.set(key, service);
    }
    if (this.#indexed.size > table.services.size) {
      for (const [key, service] of this.#indexed) {
        if (table.services.has(key)) continue;
        this.#remove(service);
        this.#indexed.delete(key);
      }
    }
    if (table.nodes !== this.#table.nodes) this.#indexNodes(table.nodes);
    this.#stackOfClient = new Map();
    this.#table = table;
    return true;
  }

  hasStack(stack: string): boolean {
    return this.#stackSizes.has(stack);
  }

  /** A node by its name in lower case. */
  node(name: string): ClusterNode | undefined {
    return this.#nodesByName.get(name);
  }

  nodeAt(address: string): ClusterNode | undefined {
    return this.#nodesByAddress.get(address);
  }

  serviceOfVip(address: string): Service | undefined {
    return this.#vips.get(address);
  }

  /** Services with an endpoint at this address, of this node where it has any there, by key. */
  servicesAt(address: string): readonly Service[] {
    const all = [...this.#owners.get(address)];
    const here = all.filter((service) =>
      endpointsAt(service, address).some((endpoint) => endpoint.node === this.#node),
    );
    return (here.length > 0 ? here : all).sort((a, b) => (a.key < b.key ? -1 : 1));
  }

  /**
   * The stack of the container with this address: where a client's short names are looked up first.
   * None for a node's own address, which belongs to no container, and where two stacks share the address.
   */
  stackOf(client: string): string | undefined {
    if (!this.#owners.has(client)) return undefined;
    if (this.#stackOfClient.has(client)) return this.#stackOfClient.get(client);
    const stacks = new Set(this.servicesAt(client).map((service) => service.stack));
    const [stack] = stacks;
    const found = stacks.size === 1 && !this.#nodesByAddress.has(client) ? stack : undefined;
    this.#stackOfClient.set(client, found);
    return found;
  }

  #add(service: Service): void {
    for (const address of vipsOf(service)) this.#vips.set(address, service);
    for (const address of endpointAddresses(service)) this.#owners.add(address, service);
    if (service.stack !== undefined)
      this.#stackSizes.set(service.stack, (this.#stackSizes.get(service.stack) ?? 0) + 1);
  }

  #remove(service: Service): void {
    for (const address of vipsOf(service)) if (this.#vips.get(address) === service) this.#vips.delete(address);
    for (const address of endpointAddresses(service)) this.#owners.delete(address, service);
    if (service.stack === undefined) return;
    const size = (this.#stackSizes.get(service.stack) ?? 0) - 1;
    if (size > 0) this.#stackSizes.set(service.stack, size);
    else this.#stackSizes.delete(service.stack);
  }

  #indexNodes(nodes: ServiceTable['nodes']): void {
    this.#nodesByName = new Map();
    this.#nodesByAddress = new Map();
    for (const node of nodes.values()) {
      this.#nodesByName.set(node.name.toLowerCase(), node);
      this.#nodesByAddress.set(canonicalAddress(node.address), node);
    }
  }
}

const vipsOf = (service: Service): string[] =>
  [service.vip, service.vip6].flatMap((vip) => (vip === undefined ? [] : [canonicalAddress(vip)]));

/** Loopback is left out: it is everybody's, and may be shared by thousands of services. */
const endpointAddresses = (service: Service): string[] =>
  service.endpoints.flatMap((endpoint) => addressesOf(endpoint)).filter((address) => !isLoopback(address));

const addressesOf = (endpoint: Pick<Endpoint, 'address' | 'address6'>): string[] =>
  (endpoint.address6 === undefined ? [endpoint.address] : [endpoint.address, endpoint.address6]).map(canonicalAddress);

const endpointsAt = (service: Service, address: string): Endpoint[] =>
  service.endpoints.filter((endpoint) => addressesOf(endpoint).includes(address));
