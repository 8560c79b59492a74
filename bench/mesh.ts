import { Generations } from '../src/mesh/nftables/generations.ts';
import { Nft } from '../src/mesh/nftables/nft.ts';
import { KernelTables } from '../src/mesh/nftables/tables.ts';
import { type MeshPlan, planMesh } from '../src/mesh/plan.ts';
import type { HostFacts } from '../src/model/host.ts';
import type { ServiceTable } from '../src/model/table.ts';
import { startFakeEngine } from '../test/support/engine.ts';
import { createNetns } from '../test/support/netns.ts';
import { service, table } from '../test/support/services.ts';
import { median, ms, quantile, type Row, report, spread, timed } from './report.ts';
import { startAgent } from './support/agent.ts';
import { Deaths } from './support/deaths.ts';
import { chainPerService, linearIptables, type Peer } from './support/peers.ts';
import { createRouters, PORT, type Router, type Routers } from './support/routers.ts';

const SERVICES = 10_000;
const LOADS = 5;
const CHANGES = 100;
const ROUNDS = 15;
const SECONDS = 1;
/** The peers' own time, at most, for one load. */
const LOAD_TIMEOUT_MS = 60_000;

export async function run(): Promise<void> {
  report('mesh', [...(await pipeline()), ...(await besidePeers())]);
}

/** One endpoint of 30,000 dies: from Docker's event through every part of the running agent to the kernel. */
async function pipeline(): Promise<readonly Row[]> {
  await using netns = await createNetns('bench');
  await netns.ip('addr add 192.168.50.1/32 dev lo');
  await using engine = await startFakeEngine();
  const labels = { 'fairlead.name': 'web', 'fairlead.port': '80' };
  const ids = [await engine.run({ labels }), await engine.run({ labels }), await engine.run({ labels })];
  await using agent = await startAgent({ netns, docker: engine.host, services: servicesFile(SERVICES - 1) });
  const idleMb = await agent.residentMb();
  await using deaths = new Deaths({ netns, engine });
  const rules: number[] = [];
  const both: number[] = [];
  for (let i = 0; i < CHANGES; i++) {
    const { eventAt, rulesAt, dnsAt } = await deaths.one({ id: ids[i % 3] ?? '', service: 'web', how: 'docker kill' });
    rules.push(rulesAt - eventAt);
    both.push(Math.max(rulesAt, dnsAt) - eventAt);
  }
  return [
    { what: 'one endpoint dies: Docker event → rules', value: spread(rules), target: '≤ 15 ms' },
    { what: '  … → rules and DNS', value: spread(both) },
    { what: 'start of the process → ready, from a services file', value: ms(agent.readyMs) },
    { what: 'memory of the agent, when ready', value: `${idleMb.toFixed(0)} MB` },
    { what: `memory of the agent, after ${2 * CHANGES} changes`, value: `${(await agent.residentMb()).toFixed(0)} MB` },
  ];
}

/** Three endpoints each, as JSON, which is YAML. */
function servicesFile(count: number): string {
  const services = Array.from({ length: count }, (_, i) => ({
    name: `service-${i}`,
    ports: [{ port: 80 }],
    endpoints: [0, 1, 2].map((e) => ({ id: `e${i}-${e}`, address: `10.20.${i >> 7}.${(i & 127) + e}`, port: PORT })),
  }));
  return `${services.map((each) => `- ${JSON.stringify(each)}`).join('\n')}\n`;
}

/** Loading, changing and using the same services in several designs, side by side. */
async function besidePeers(): Promise<readonly Row[]> {
  await using routers = await createRouters();
  const bare = await routers.add('bare');
  const own = await loadOwn(await routers.add('fairlead'));
  const peers = [
    await loadPeer(routers, chainPerService, 1000),
    await loadPeer(routers, chainPerService, SERVICES),
    await loadPeer(routers, linearIptables, 1000),
    await loadPeer(routers, linearIptables, SERVICES),
  ];
  const used = peers.filter(({ loadMs }) => loadMs !== undefined);
  const targets: readonly Target[] = [
    { name: 'direct, through a host without rules', address: bare.endpoint(0), port: PORT },
    { name: 'direct, through the host with fairlead', address: own.router.endpoint(0), port: PORT },
    { name: 'fairlead, first service', address: own.router.vip(0), port: 80 },
    { name: 'fairlead, last service', address: own.router.vip(SERVICES - 1), port: 80 },
    ...used.flatMap(({ name, router, services }) => [
      { name: `${name}, last service`, address: router.vip(services - 1), port: 80 },
    ]),
  ];
  const rates = await alternate(routers, targets);
  return [...own.rows, ...peers.flatMap(({ rows }) => rows), ...rateRows(targets, rates)];
}

interface Target {
  readonly name: string;
  readonly address: string;
  readonly port: number;
}

/** Connections a second to each target in turn, round after round, so that what else the machine does hits all alike. */
async function alternate(routers: Routers, targets: readonly Target[]): Promise<ReadonlyMap<Target, number[]>> {
  const rates = new Map<Target, number[]>(targets.map((target) => [target, []]));
  for (let round = 0; round <= ROUNDS; round++) {
    for (const [target, seen] of rates) {
      const rate = await routers.connectionsPerSecond(target.address, target.port, SECONDS);
      // The first round warms up.
      if (round > 0) seen.push(rate);
    }
  }
  return rates;
}

/** Shares are medians of what each round gave: the machine's own ups and downs are the same for all of one round. */
function rateRows(targets: readonly Target[], rates: ReadonlyMap<Target, readonly number[]>): readonly Row[] {
  const of = (index: number): readonly number[] => rates.get(targets[index] as Target) ?? [];
  const shares = (values: readonly number[], base: readonly number[]) => values.map((rate, i) => rate / (base[i] ?? 0));
  const rows = targets.map((target, index): Row => {
    const values = of(index);
    const [low, high] = [quantile(values, 0), quantile(values, 1)].map(Math.round);
    return {
      what: `new connections/s: ${target.name}`,
      value: `${median(values).toFixed(0)} (${low}–${high}, n = ${values.length}), ${median(shares(values, of(0))).toFixed(2)} of direct`,
      ...(target.name.startsWith('fairlead') && { target: '≥ 0.75 of direct' }),
    };
  });
  const last = median(shares(of(3), of(2)));
  return [...rows, { what: 'last service, share of the first', value: last.toFixed(2), target: '0.95 to 1.05' }];
}

interface Loaded {
  readonly router: Router;
  readonly rows: readonly Row[];
}

async function loadOwn(router: Router): Promise<Loaded> {
  const facts: HostFacts = {
    node: 'n1',
    nodeAddress: '172.20.1.1',
    addresses: ['172.20.1.1'],
    // The link to the endpoints stands for a bridge: connections from outside to containers here.
    bridges: [{ name: 'server', subnets: [], gateways: [] }],
  };
  const ranges = { vipCidr: `${router.vip(0)}/16`, vipCidr6: '' };
  const plan = (of: ServiceTable, previous?: MeshPlan) => planMesh({ table: of, facts, ranges }, previous);
  const services = Array.from({ length: SERVICES }, (_, i) => ownService(router, i, 3));
  const first = table(1, ...services);
  const fresh = () => new KernelTables(new Nft(['ip', 'netns', 'exec', router.ns.name, 'nft']), new Generations());
  let kernel = fresh();
  const loads: number[] = [];
  for (let i = 0; i < LOADS; i++) {
    await router.ns.run('nft', 'flush', 'ruleset');
    kernel = fresh();
    loads.push(...(await timed(1, () => kernel.apply(plan(first)))));
  }
  let applied = plan(first);
  await kernel.apply(applied);
  const index = SERVICES >> 1;
  const planned: number[] = [];
  const changes = await timed(CHANGES, async (i) => {
    const next = new Map(first.services).set(`service-${index}`, ownService(router, index, i % 2 === 0 ? 2 : 3));
    const started = performance.now();
    applied = plan({ ...first, revision: i + 2, services: next }, applied);
    planned.push(performance.now() - started);
    await kernel.apply(applied);
  });
  return {
    router,
    rows: [
      { what: 'fairlead: 10,000 services planned and loaded', value: spread(loads), target: '≤ 2.5 s' },
      { what: 'fairlead: one endpoint changed, nft included', value: spread(changes) },
      { what: '  … of which planning', value: spread(planned) },
    ],
  };
}

function ownService(router: Router, index: number, endpoints: number) {
  const addresses = Array.from({ length: endpoints }, (_, e) => [`e${index}-${e}`, router.endpoint(3 * index + e)]);
  return service(`service-${index}`, { vip: router.vip(index), endpoints: Object.fromEntries(addresses) });
}

interface LoadedPeer extends Loaded {
  readonly name: string;
  readonly services: number;
  /** Undefined where it was not done in time. */
  readonly loadMs: number | undefined;
}

async function loadPeer(routers: Routers, peer: Peer, services: number): Promise<LoadedPeer> {
  const router = await routers.add('peer');
  const name = `${peer.name}, ${services.toLocaleString('en')} services`;
  const [program, ...args] = peer.program;
  const feed = async (stdin: string) => {
    const { exitCode, stderr } = await router.ns.exec(program, args, { stdin, timeoutMs: LOAD_TIMEOUT_MS });
    if (exitCode !== 0) throw new Error(`${program}: ${stderr.slice(0, 1000)}`);
  };
  const [loadMs] = await timed(1, () => feed(peer.script(router, services))).catch(timedOut);
  if (loadMs === undefined) {
    const value = `not within ${LOAD_TIMEOUT_MS / 1000} s`;
    return { name, services, router, loadMs, rows: [{ what: `${name}: loaded`, value }] };
  }
  const index = services >> 1;
  const changes = await timed(20, (i) => feed(peer.change(router, { services, index, left: i % 2 === 0 ? 2 : 3 })));
  return {
    name,
    services,
    router,
    loadMs,
    rows: [
      { what: `${name}: loaded`, value: ms(loadMs) },
      { what: `${name}: one endpoint changed`, value: spread(changes) },
    ],
  };
}

function timedOut(error: unknown): readonly number[] {
  if (error instanceof Error && 'code' in error && error.code === 'exec-timeout') return [];
  throw error;
}
