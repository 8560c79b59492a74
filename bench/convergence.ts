import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { dockerdMissing, startDockerd } from '../test/support/dockerd.ts';
import { startFakeEngine } from '../test/support/engine.ts';
import type { EngineControl } from '../test/support/engine-control.ts';
import { createNetns, type Netns } from '../test/support/netns.ts';
import { median, ms, type Row, report, spread } from './report.ts';
import { startAgent } from './support/agent.ts';
import { type Death, type DeathOptions, Deaths } from './support/deaths.ts';

const CONTAINERS = 100;
const DEATHS = 200;
const REAL_CONTAINERS = 8;
const STARTS = 5;
const IDLE_MS = 30_000;

export async function run(): Promise<void> {
  report('convergence', [...(await withRealEngine()), ...(await withFakeEngine())]);
}

/** Real containers, which die in both ways: by themselves (their process is killed), and by `docker kill`. */
async function withRealEngine(): Promise<readonly Row[]> {
  const missing = await dockerdMissing();
  if (missing !== undefined) return [{ what: 'deaths of real containers', value: `not measured: ${missing}` }];
  await using docker = await startDockerd();
  await prepare(docker.netns);
  const ids = await runServices(docker, { count: REAL_CONTAINERS, services: 1 });
  await using agent = await startAgent({ netns: docker.netns, docker: docker.host });
  await using deaths = new Deaths({ netns: docker.netns, engine: docker });
  const killed = await measure(deaths, ids, 'process killed');
  const stopped = await measure(deaths, ids, 'docker kill');
  return [
    ...rows(`real container whose process is killed (${REAL_CONTAINERS} containers)`, killed),
    ...rows('real container, docker kill', stopped),
    { what: 'memory with real Docker, after all that', value: `${(await agent.residentMb()).toFixed(0)} MB` },
  ];
}

/** The Engine's API played by a fake, so that nothing but the agent is measured, with more containers. */
async function withFakeEngine(): Promise<readonly Row[]> {
  await using engine = await startFakeEngine();
  await using netns = await createNetns('bench');
  await prepare(netns);
  const ids = await runServices(engine, { count: CONTAINERS, services: 10 });
  const dataDir = await mkdtemp(join(tmpdir(), 'fairlead-bench-data-'));
  try {
    const options = { netns, docker: engine.host };
    const fresh: number[] = [];
    const again: number[] = [];
    for (let i = 0; i < STARTS; i++) {
      await netns.run('nft', 'flush', 'ruleset');
      await using agent = await startAgent(options);
      fresh.push(agent.readyMs);
    }
    for (let i = 0; i <= STARTS; i++) {
      await using agent = await startAgent({ ...options, dataDir });
      if (i > 0) again.push(agent.readyMs);
    }
    await using agent = await startAgent({ ...options, dataDir });
    const idle = await restOf(agent);
    await using deaths = new Deaths({ netns, engine });
    const killed = await measure(deaths, ids, 'docker kill');
    return [
      ...rows(`fake Engine with ${CONTAINERS} containers`, killed),
      {
        what: `start of the process → ready, ${CONTAINERS} containers, nothing there before (median of ${STARTS})`,
        value: ms(median(fresh)),
        target: '≤ 1 s',
      },
      {
        what: 'the same over the registry and the rules of the agent before',
        value: ms(median(again)),
        target: '≤ 1 s',
      },
      {
        what: `memory at rest with ${CONTAINERS} containers`,
        value: `${idle.residentMb.toFixed(0)} MB`,
        target: '≤ 120 MB',
      },
      {
        what: `processor time at rest, ${IDLE_MS / 1000} s`,
        value: `${idle.cpuPercent.toFixed(2)} %`,
        target: '≤ 1 %',
      },
      { what: `memory after ${DEATHS / 2} deaths and starts`, value: `${(await agent.residentMb()).toFixed(0)} MB` },
    ];
  } finally {
    await rm(dataDir, { recursive: true });
  }
}

/** What an agent finds on every host: an address of its own. */
const prepare = (netns: Netns): Promise<string> => netns.ip('addr add 192.168.50.1/32 dev lo');

interface Running {
  readonly id: string;
  readonly service: string;
}

async function runServices(
  engine: EngineControl,
  { count, services }: { readonly count: number; readonly services: number },
): Promise<readonly Running[]> {
  const running: Running[] = [];
  for (let i = 0; i < count; i++) {
    const service = `web-${i % services}`;
    const labels = {
      'fairlead.name': service,
      'fairlead.port': '80',
      ...(i < services && { 'fairlead.publish': `${8000 + i}:80` }),
    };
    running.push({ id: await engine.run({ labels }), service });
  }
  return running;
}

async function measure(
  deaths: Deaths,
  running: readonly Running[],
  how: DeathOptions['how'],
): Promise<readonly Death[]> {
  const seen: Death[] = [];
  for (let i = 0; i < DEATHS / 2; i++) {
    const { id, service } = running[i % running.length] ?? running[0] ?? { id: '', service: '' };
    seen.push(await deaths.one({ id, service, how }));
  }
  return seen;
}

function rows(what: string, deaths: readonly Death[]): readonly Row[] {
  const both = deaths.map(({ rulesAt, dnsAt }) => Math.max(rulesAt, dnsAt));
  const since = (from: (death: Death) => number, to: (death: Death, i: number) => number) =>
    spread(deaths.map((death, i) => to(death, i) - from(death)));
  return [
    {
      what: `${what}: Docker's event → rules and DNS`,
      value: since(
        ({ eventAt }) => eventAt,
        (_, i) => both[i] ?? 0,
      ),
      target: 'p99 ≤ 50 ms',
    },
    {
      what: '  … rules alone',
      value: since(
        ({ eventAt }) => eventAt,
        ({ rulesAt }) => rulesAt,
      ),
    },
    {
      what: '  … DNS alone',
      value: since(
        ({ eventAt }) => eventAt,
        ({ dnsAt }) => dnsAt,
      ),
    },
    {
      what: '  … from the deed itself → rules and DNS',
      value: since(
        ({ killedAt }) => killedAt,
        (_, i) => both[i] ?? 0,
      ),
    },
  ];
}

/** Memory and the share of one processor that an agent takes when nothing happens. */
async function restOf(agent: {
  residentMb(): Promise<number>;
  cpuMs(): Promise<number>;
}): Promise<{ readonly residentMb: number; readonly cpuPercent: number }> {
  await delay(5000);
  const before = await agent.cpuMs();
  await delay(IDLE_MS);
  const used = (await agent.cpuMs()) - before;
  return { residentMb: await agent.residentMb(), cpuPercent: (100 * used) / IDLE_MS };
}
