import { Registry } from 'prom-client';
import { systemClock } from '../../../src/lib/clock.ts';
import { silentLogger } from '../../../src/lib/logger.ts';
import { neededParameters } from '../../../src/mesh/host/parameters.ts';
import { Mesh, type MeshOptions } from '../../../src/mesh/mesh.ts';
import { MeshMetrics } from '../../../src/mesh/metrics.ts';
import type { NftCommand } from '../../../src/mesh/nftables/nft.ts';
import type { HostFacts } from '../../../src/model/host.ts';
import type { Service, ServiceTable } from '../../../src/model/table.ts';
import { eventually } from '../../support/eventually.ts';
import { addBridge, connect, createNetns, type Netns } from '../../support/netns.ts';
import { Peer } from '../../support/peer.ts';
import { table } from '../../support/services.ts';

export const RANGES = { vipCidr: '10.96.0.0/16', vipCidr6: 'fd00:f1::/112' };

/**
 * | who | where | addresses |
 * |---|---|---|
 * | host | | uplinks 192.168.50.1, fd00:50::1 and 192.168.60.1, fd00:60::1; bridges br1 10.1.0.1, fd00:1::1 and br2 10.2.0.1 |
 * | c1, c2, c3 | br1 | 10.1.0.11 … 13, fd00:1::11 … 13 |
 * | c4 | br2 | 10.2.0.14 |
 * | client | first uplink | 192.168.50.2, fd00:50::2 |
 * | far | second uplink; knows no way to the client | 192.168.60.2 |
 *
 * Everybody answers on 8080 (TCP and UDP, both families) with its name; the host also on 127.0.0.1:9000 and [::1]:9000.
 */
export interface World extends AsyncDisposable {
  readonly host: Netns;
  readonly namespaces: Readonly<Record<PeerName, Netns>>;
  readonly peers: Readonly<Record<PeerName, Peer>>;
  readonly nft: NftCommand;
}

export type PeerName = 'host' | 'c1' | 'c2' | 'c3' | 'c4' | 'client' | 'far';

export const FACTS: HostFacts = {
  node: 'n1',
  nodeAddress: '192.168.50.1',
  addresses: ['127.0.0.1', '::1', '192.168.50.1', '192.168.60.1', '10.1.0.1', '10.2.0.1'],
  bridges: [
    { name: 'br1', subnets: ['10.1.0.0/24', 'fd00:1::/64'], gateways: ['10.1.0.1', 'fd00:1::1'] },
    { name: 'br2', subnets: ['10.2.0.0/24'], gateways: ['10.2.0.1'] },
  ],
};

export async function createWorld(): Promise<World> {
  await using stack = new AsyncDisposableStack();
  const create = async (label: string): Promise<Netns> => stack.use(await createNetns(label));
  const host = await create('host');
  await host.sysctl({
    'net.ipv4.conf.all.rp_filter': 0,
  });
  await addBridge(host, 'br1', ['10.1.0.1/24', 'fd00:1::1/64']);
  await addBridge(host, 'br2', ['10.2.0.1/24']);
  const container = async (
    label: string,
    bridge: string,
    addresses: readonly string[],
    gateways: readonly string[],
  ) => {
    const ns = await create(label);
    await connect({ ns, device: 'eth0', addresses, gateways }, { ns: host, device: `v${label}`, bridge });
    // With br_netfilter a translated packet never leaves the bridge, which returns none to where it came from otherwise.
    await host.ip(`link set v${label} type bridge_slave hairpin on`);
    return ns;
  };
  const onBr1 = (n: number) =>
    container(`c${n}`, 'br1', [`10.1.0.1${n}/24`, `fd00:1::1${n}/64`], ['10.1.0.1', 'fd00:1::1']);
  const [c1, c2, c3] = [await onBr1(1), await onBr1(2), await onBr1(3)];
  const c4 = await container('c4', 'br2', ['10.2.0.14/24'], ['10.2.0.1']);
  const client = await create('client');
  await connect(
    {
      ns: client,
      device: 'eth0',
      addresses: ['192.168.50.2/24', 'fd00:50::2/64'],
      gateways: ['192.168.50.1', 'fd00:50::1'],
    },
    { ns: host, device: 'up1', addresses: ['192.168.50.1/24', 'fd00:50::1/64'] },
  );
  const far = await create('far');
  await connect(
    { ns: far, device: 'eth0', addresses: ['192.168.60.2/24', 'fd00:60::2/64'] },
    { ns: host, device: 'up2', addresses: ['192.168.60.1/24', 'fd00:60::1/64'] },
  );
  const parameters = neededParameters({ links: ['br1', 'br2', 'up1', 'up2'], ipv6: true, advertised: [] });
  await host.sysctl(Object.fromEntries(parameters.map(([path, value]) => [path.replaceAll('/', '.'), Number(value)])));
  await host.ip('route add 10.96.0.0/16 dev lo src 192.168.50.1');
  await host.ip('route add fd00:f1::/112 dev lo src fd00:50::1');

  const namespaces = { host, c1, c2, c3, c4, client, far };
  const peers = Object.fromEntries(Object.entries(namespaces).map(([name, ns]) => [name, new Peer(ns)])) as Record<
    PeerName,
    Peer
  >;
  await Promise.all(
    Object.entries(peers).map(async ([name, peer]) => {
      for (const protocol of ['tcp', 'udp'] as const) {
        await peer.serve({ protocol, address: '0.0.0.0', port: 8080, name });
        await peer.serve({ protocol, address: '::', port: 8080, name });
      }
    }),
  );
  await peers.host.serve({ protocol: 'tcp', address: '127.0.0.1', port: 9000, name: 'loopback' });
  await peers.host.serve({ protocol: 'tcp', address: '::1', port: 9000, name: 'loopback6' });
  const owned = stack.move();
  return {
    host,
    namespaces,
    peers,
    nft: ['ip', 'netns', 'exec', host.name, 'nft'],
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** A mesh running in a namespace, with what a test wants to do to it. */
export class RunningMesh implements AsyncDisposable {
  readonly mesh: Mesh;
  readonly metrics = new Registry();
  readonly #stop = new AbortController();
  readonly #running: Promise<void>;
  #revision = 0;

  constructor(nft: NftCommand, options: Partial<MeshOptions> = {}) {
    this.mesh = new Mesh({
      nft,
      log: silentLogger,
      clock: systemClock,
      metrics: new MeshMetrics(this.metrics),
      resyncMs: 30_000,
      ranges: RANGES,
      facts: () => FACTS,
      ...options,
    });
    this.#running = this.mesh.run(this.#stop.signal);
  }

  /** Publishes a table of these services and waits until it is in the kernel. */
  async apply(...services: readonly Service[]): Promise<ServiceTable> {
    this.#revision += 1;
    const next = table(this.#revision, ...services);
    this.mesh.update(next);
    await eventually('applied', () => this.mesh.status().appliedRevision === next.revision, 15_000);
    return next;
  }

  async metric(name: string): Promise<number> {
    const metric = await this.metrics.getSingleMetric(name)?.get();
    return metric?.values.reduce((sum, { value }) => sum + value, 0) ?? 0;
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}
