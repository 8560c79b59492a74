import { once } from 'node:events';
import { join } from 'node:path';
import { connect, createNetns, type Netns } from '../../test/support/netns.ts';

/** What every endpoint listens on. */
export const PORT = 8080;

/** One way from the client to the endpoints: through a host of its own, whose rules are to be compared. */
export interface Router {
  readonly ns: Netns;
  /** Of the 65,536 addresses at which the server answers behind this router. */
  endpoint(index: number): string;
  /** Of the 65,536 virtual addresses which the client sends to this router. */
  vip(index: number): string;
}

/**
 * A client, a server, and any number of routers side by side between them:
 *
 * | router | client's link | server's link | endpoints | VIPs |
 * |---|---|---|---|---|
 * | i | 172.20.i.0/24 | 172.21.i.0/24 | 10.(10 + i).0.0/16 | 10.(96 + i).0.0/16 |
 */
export class Routers implements AsyncDisposable {
  readonly client: Netns;
  readonly server: Netns;
  readonly #stack = new AsyncDisposableStack();
  #count = 0;

  constructor(client: Netns, server: Netns) {
    this.client = this.#stack.use(client);
    this.server = this.#stack.use(server);
  }

  async add(label: string): Promise<Router> {
    const i = this.#count++;
    const ns = this.#stack.use(await createNetns(label));
    const endpoints = `10.${10 + i}`;
    const vips = `10.${96 + i}`;
    await connect(
      { ns: this.client, device: `r${i}`, addresses: [`172.20.${i}.2/24`] },
      { ns, device: 'client', addresses: [`172.20.${i}.1/24`] },
    );
    await connect(
      { ns: this.server, device: `r${i}`, addresses: [`172.21.${i}.2/24`] },
      { ns, device: 'server', addresses: [`172.21.${i}.1/24`] },
    );
    // Closed connections would fill the connection tracking of one router more than that of another.
    await ns.sysctl({ 'net.ipv4.ip_forward': 1, 'net.netfilter.nf_conntrack_tcp_timeout_time_wait': 1 });
    await ns.ip(`route add ${endpoints}.0.0/16 via 172.21.${i}.2`);
    await this.client.ip(`route add ${endpoints}.0.0/16 via 172.20.${i}.1`);
    await this.client.ip(`route add ${vips}.0.0/16 via 172.20.${i}.1`);
    await this.server.ip(`route add local ${endpoints}.0.0/16 dev lo`);
    await this.server.ip(`route add 172.20.${i}.0/24 via 172.21.${i}.1`);
    const numbered = (prefix: string) => (index: number) => `${prefix}.${index >> 8}.${index & 255}`;
    return { ns, endpoint: numbered(endpoints), vip: numbered(vips) };
  }

  /** New TCP connections a second to an address, over some seconds; errors would be no connections. */
  async connectionsPerSecond(address: string, port: number, seconds: number): Promise<number> {
    const options = ['-t1', '-c64', `-d${seconds}s`, '-H', 'Connection: close'];
    const said = await this.client.run('wrk', ...options, `http://${address}:${port}/`);
    const rate = Number(/^Requests\/sec:\s+([\d.]+)/m.exec(said)?.[1]);
    if (!(rate > 0) || said.includes('Non-2xx')) throw new Error(`wrk: ${said}`);
    return rate;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }
}

export async function createRouters(): Promise<Routers> {
  const [client, server] = [await createNetns('client'), await createNetns('server')];
  const routers = new Routers(client, server);
  for (const ns of [client, server]) {
    // Else it is TIME_WAIT that is measured: the server closes first, and the second address looks 50 times slower.
    await ns.sysctl({ 'net.ipv4.tcp_max_tw_buckets': 0, 'net.ipv4.ip_local_port_range': '1024 65535' });
  }
  await server.sysctl({ 'net.core.somaxconn': 4096 });
  const child = server.spawn(process.execPath, [join(import.meta.dirname, 'server-main.ts'), String(PORT)]);
  child.stderr.pipe(process.stderr);
  await once(child.stdout, 'data');
  return routers;
}
