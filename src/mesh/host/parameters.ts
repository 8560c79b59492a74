import { HostJournal, type SysctlChange } from './journal.ts';
import { disturbedBy, IPV4_FORWARDING, IPV6_FORWARDING, type Sysctl } from './sysctl.ts';

/** A kernel parameter and the value the mesh needs it to have. */
export type Wanted = readonly [path: string, value: string];

export interface ParameterNeeds {
  /** Every interface with an IPv4 address but loopback. */
  readonly links: readonly string[];
  readonly ipv6: boolean;
  /** Interfaces with routes learned from router advertisements. */
  readonly advertised: readonly string[];
}

/**
 * What the mesh needs of the kernel, in the order it is to be set.
 *
 * | parameter | why |
 * |---|---|
 * | `ip_forward` | from a container or another host to an endpoint |
 * | `route_localnet` on every link | answers to a connection to 127.0.0.1:<published> come in by the endpoint's interface, for 127.0.0.1; and a client's packet goes to an endpoint that listens on 127.0.0.1. The rules must drop packets that are for 127/8 when they arrive |
 * | `ipv6…forwarding` | the same for IPv6, only where IPv6 is in use |
 * | `accept_ra=2` | with forwarding on, the kernel forgets and ignores routers' advertisements otherwise: a host that got its default route so would lose it. Set first |
 */
export function neededParameters({ links, ipv6, advertised }: ParameterNeeds): readonly Wanted[] {
  const localnet = links.map((name): Wanted => [`net/ipv4/conf/${name}/route_localnet`, '1']);
  const acceptRa = ipv6 ? advertised.map((name): Wanted => [`net/ipv6/conf/${name}/accept_ra`, '2']) : [];
  return [[IPV4_FORWARDING, '1'], ...localnet, ...acceptRa, ...(ipv6 ? [[IPV6_FORWARDING, '1'] satisfies Wanted] : [])];
}

/** Sets kernel parameters so that each can be put back: recorded first, then changed. */
export class Parameters {
  readonly #sysctl: Sysctl;
  readonly #dataDir: string;
  readonly #settled = new Set<string>();
  /** How often somebody else had changed one of ours back. */
  repairs = 0;

  constructor(sysctl: Sysctl, dataDir: string) {
    this.#sysctl = sysctl;
    this.#dataDir = dataDir;
  }

  /** Makes exactly the wanted parameters ours: sets those that differ, puts back those no longer wanted. */
  async apply(wanted: readonly Wanted[]): Promise<void> {
    const journal = await this.#journal();
    const recorded = await journal.read();
    const obsolete = recorded.filter((change) => !wanted.some(([path]) => path === change.path));
    await this.#putBack(obsolete);
    let changes = await this.#existing(recorded.filter((change) => !obsolete.includes(change)));
    if (changes.length < recorded.length) await journal.write(changes);

    for (const [path, value] of wanted) {
      const current = await this.#sysctl.read(path);
      if (current === undefined || current === value) continue;
      if (changes.some((change) => change.path === path)) {
        if (this.#settled.has(path)) this.repairs += 1;
      } else {
        const disturbed = await disturbedBy(this.#sysctl, path, current);
        changes = [...changes, { path, previous: current, ours: value, disturbed }];
        await journal.write(changes);
      }
      await this.#sysctl.write(path, value);
      this.#settled.add(path);
    }
  }

  /** Puts back what still has our value, and what changed along with it. */
  async undo(): Promise<readonly string[]> {
    const journal = await this.#journal();
    const recorded = await journal.read();
    if (recorded.length === 0) return [];
    await this.#putBack(recorded);
    await journal.write([]);
    this.#settled.clear();
    return recorded.map(({ path }) => path);
  }

  /** The paths recorded as ours. */
  async recorded(): Promise<readonly string[]> {
    return (await (await this.#journal()).read()).map(({ path }) => path);
  }

  async #putBack(changes: readonly SysctlChange[]): Promise<void> {
    for (const { path, previous, ours, disturbed } of [...changes].reverse()) {
      if ((await this.#sysctl.read(path)) !== ours) continue;
      await this.#sysctl.write(path, previous);
      for (const [other, value] of Object.entries(disturbed)) await this.#sysctl.write(other, value);
    }
  }

  /** A bridge that is gone takes its parameters along; one of the same name made later starts afresh. */
  async #existing(changes: readonly SysctlChange[]): Promise<readonly SysctlChange[]> {
    const values = await Promise.all(changes.map(({ path }) => this.#sysctl.read(path)));
    return changes.filter((_, index) => values[index] !== undefined);
  }

  async #journal(): Promise<HostJournal> {
    return new HostJournal({ dataDir: this.#dataDir, boot: await this.#sysctl.bootId() });
  }
}
