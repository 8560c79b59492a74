import { execOk } from '../../lib/exec.ts';
import type { ContainerBridge } from '../../model/host.ts';
import type { NetworkInterface } from './interfaces.ts';
import { readInterfaces } from './ip.ts';
import { HostJournal, type SysctlChange } from './journal.ts';
import type { Sysctl } from './sysctl.ts';

const BRIDGED_TRANSLATION = 'net/bridge/bridge-nf-call-iptables';

/**
 * The ports that must send frames back where they came from: with `bridge-nf-call-iptables` on, as Docker has it,
 * a connection to a VIP is translated while its frame is still on the bridge (br_netfilter), and one that leads back
 * to its own container would have to leave by the port it came in, which a bridge does in hairpin mode only.
 * Only containers' ports: an uplink in hairpin mode would send the network its own broadcasts back.
 */
export function portsWithoutHairpin(
  interfaces: readonly NetworkInterface[],
  bridges: readonly Pick<ContainerBridge, 'name'>[],
): readonly string[] {
  const names = new Set(bridges.map(({ name }) => name));
  return interfaces
    .filter(({ kind, port }) => kind === 'veth' && port !== undefined && !port.hairpin && names.has(port.bridge))
    .map(({ name }) => name);
}

/** Sets the hairpin mode of containers' bridge ports, and puts back what it set. */
export class HairpinPorts {
  readonly #sysctl: Sysctl;
  readonly #dataDir: string;

  constructor(sysctl: Sysctl, dataDir: string) {
    this.#sysctl = sysctl;
    this.#dataDir = dataDir;
  }

  async apply(interfaces: readonly NetworkInterface[], bridges: readonly ContainerBridge[]): Promise<void> {
    if ((await this.#sysctl.read(BRIDGED_TRANSLATION)) !== '1') return;
    const ports = portsWithoutHairpin(interfaces, bridges);
    if (ports.length === 0) return;
    const journal = await this.#journal();
    // A port that is gone took its mode along.
    const known = (await journal.read()).filter(({ path }) => interfaces.some(({ name }) => name === path));
    const added = ports.filter((port) => !known.some(({ path }) => path === port)).map(switchedOn);
    await journal.write([...known, ...added]);
    for (const port of ports) await setHairpin(port, 'on');
  }

  /** Resolves with the ports that it put back. */
  async undo(): Promise<readonly string[]> {
    const journal = await this.#journal();
    const recorded = await journal.read();
    if (recorded.length === 0) return [];
    const interfaces = await readInterfaces();
    const ours = recorded.map(({ path }) => path);
    const present = interfaces.filter(({ name, port }) => port?.hairpin === true && ours.includes(name));
    for (const { name } of present) await setHairpin(name, 'off');
    await journal.write([]);
    return present.map(({ name }) => name);
  }

  async #journal(): Promise<HostJournal> {
    return new HostJournal({ dataDir: this.#dataDir, name: 'hairpin-journal.json', boot: await this.#sysctl.bootId() });
  }
}

const switchedOn = (port: string): SysctlChange => ({ path: port, previous: 'off', ours: 'on', disturbed: {} });

/** A container may stop at any time and take its port along: then there is nothing left to set. */
async function setHairpin(port: string, mode: 'on' | 'off'): Promise<void> {
  try {
    await execOk('ip', ['link', 'set', 'dev', port, 'type', 'bridge_slave', 'hairpin', mode]);
  } catch (error) {
    if ((await readInterfaces()).some(({ name }) => name === port)) throw error;
  }
}
