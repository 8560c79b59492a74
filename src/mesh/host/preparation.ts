import { isIPv4 } from 'node:net';
import type { HostFacts } from '../../model/host.ts';
import { HairpinPorts } from './hairpin.ts';
import type { InterfaceAddress, Route } from './interfaces.ts';
import { readInterfaces, readRoutes } from './ip.ts';
import { localNetworks, vipOverlap } from './overlap.ts';
import { neededParameters, Parameters } from './parameters.ts';
import { applyRoutes, neededRoutes } from './routes.ts';
import { Sysctl } from './sysctl.ts';

export interface PreparationOptions {
  readonly dataDir: string;
  readonly vipCidr: string;
  readonly vipCidr6?: string;
}

/**
 * Makes the kernel fit for the mesh: forwarding, loopback answers, routes for the VIP ranges (parameters.ts and
 * routes.ts say what and why). Parameters are undone by the journal in `dataDir`; routes tell by their protocol number
 * that they are ours.
 */
export class HostPreparation {
  readonly #options: PreparationOptions;
  readonly #sysctl = new Sysctl();
  readonly #parameters: Parameters;
  readonly #hairpin: HairpinPorts;
  #routeRepairs = 0;
  #applied: HostFacts | undefined;

  constructor(options: PreparationOptions) {
    this.#options = options;
    this.#parameters = new Parameters(this.#sysctl, options.dataDir);
    this.#hairpin = new HairpinPorts(this.#sysctl, options.dataDir);
  }

  /** How often something of ours had been changed by others and was put right. */
  get repairs(): number {
    return this.#parameters.repairs + this.#routeRepairs;
  }

  /** Level-triggered; may be called again at any time. Throws `vip-overlap` before it has changed anything. */
  async apply(facts: HostFacts): Promise<void> {
    const { vipCidr, vipCidr6 } = this.#options;
    const interfaces = await readInterfaces();
    const [routes4, routes6] = await Promise.all([readRoutes(4), readRoutes(6)]);
    const networks = localNetworks(interfaces, [...routes4, ...routes6]);
    for (const range of vipCidr6 === undefined ? [vipCidr] : [vipCidr, vipCidr6]) {
      const overlap = vipOverlap(range, networks);
      if (overlap !== undefined) throw overlap;
    }

    const links = interfaces.filter(({ name, addresses }) => name !== 'lo' && addresses.some(isAddress4));
    const ipv6 = vipCidr6 !== undefined || facts.bridges.some(({ subnets }) => subnets.some(isRange6));
    await this.#parameters.apply(
      neededParameters({
        links: links.map(({ name }) => name),
        ipv6,
        advertised: ipv6 ? await this.#advertised(routes6) : [],
      }),
    );
    const changed = await applyRoutes(
      neededRoutes({ facts, vipCidr, ...(vipCidr6 === undefined ? {} : { vipCidr6 }) }),
    );
    await this.#hairpin.apply(interfaces, facts.bridges);
    if (this.#applied === facts) this.#routeRepairs += changed;
    this.#applied = facts;
  }

  /** Puts everything back as it was; needs no `apply` before. */
  async undo(): Promise<void> {
    await applyRoutes([]);
    await this.#parameters.undo();
    await this.#hairpin.undo();
    this.#applied = undefined;
  }

  /** Interfaces whose routes come from router advertisements and would be lost by forwarding, now or but for us. */
  async #advertised(routes6: readonly Route[]): Promise<readonly string[]> {
    const devices = new Set(routes6.filter(({ protocol }) => protocol === 'ra').map(({ device }) => device));
    const ours = await this.#parameters.recorded();
    const values = await Promise.all([...devices].map((device) => this.#sysctl.read(acceptRa(device))));
    return [...devices].filter((device, index) => values[index] === '1' || ours.includes(acceptRa(device)));
  }
}

const acceptRa = (device: string): string => `net/ipv6/conf/${device}/accept_ra`;

const isAddress4 = ({ address }: InterfaceAddress): boolean => isIPv4(address);

const isRange6 = (range: string): boolean => range.includes(':');
