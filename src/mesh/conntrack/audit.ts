import type { Service } from '../../model/table.ts';
import { CT_MARK_BIT } from '../mark.ts';
import type { ConntrackEntry } from './entries.ts';
import { type Destination, liveRoutes, type StaleFlows } from './stale.ts';

interface Known {
  readonly flows: Pick<StaleFlows, 'protocol' | 'destination'>;
  readonly targets: ReadonlySet<string>;
}

/** Tells which tracked connections go to an endpoint that their service does not have. */
export class OrphanIndex {
  readonly #known = new Map<string, Known>();
  readonly #addresses: ReadonlySet<string>;

  /** `addresses` are this host's, where published ports are. */
  constructor(services: Iterable<Service>, addresses: readonly string[]) {
    this.#addresses = new Set(addresses);
    for (const service of services) {
      for (const { protocol, destination, targets } of liveRoutes(service)) {
        this.#known.set(keyOf(protocol, destination), {
          flows: { protocol, destination },
          targets: new Set(targets.keys()),
        });
      }
    }
  }

  /** The flows an entry stands for if they are to go; undefined for what is alive or none of ours. */
  find(entry: ConntrackEntry): StaleFlows | undefined {
    const known = this.#knownOf(entry);
    if (known === undefined) return undefined;
    const { originalDestination, replySource, replySourcePort } = entry;
    if (replySource === originalDestination) {
      // Not translated: a UDP flow older than its service, unless there still is nowhere to send it.
      return entry.protocol === 'udp' && known.targets.size > 0
        ? { ...known.flows, translatedTo: 'nothing' }
        : undefined;
    }
    if (known.targets.has(`${replySource} ${replySourcePort}`)) return undefined;
    // Somebody else, Docker for one, may have translated a flow to a port of ours before it was ours.
    if (known.flows.destination.kind === 'published' && (entry.mark & CT_MARK_BIT) === 0) return undefined;
    return { ...known.flows, translatedTo: { address: replySource, port: replySourcePort } };
  }

  #knownOf({
    protocol,
    originalDestination: address,
    originalDestinationPort: port,
  }: ConntrackEntry): Known | undefined {
    const vip = this.#known.get(keyOf(protocol, { kind: 'vip', address, port }));
    if (vip !== undefined || !this.#addresses.has(address)) return vip;
    return this.#known.get(keyOf(protocol, { kind: 'published', family: address.includes(':') ? 6 : 4, port }));
  }
}

const keyOf = (protocol: string, destination: Destination): string =>
  destination.kind === 'vip'
    ? `${protocol} ${destination.address} ${destination.port}`
    : `${protocol} published/${destination.family} ${destination.port}`;
