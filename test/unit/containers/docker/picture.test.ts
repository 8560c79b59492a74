import { expect, it } from 'vitest';
import { type Container, decodeContainer } from '../../../../src/containers/docker/container.ts';
import { Picture } from '../../../../src/containers/docker/picture.ts';
import { type Inspected, inspected } from './inspected.ts';

const ID = 'a'.repeat(64);
const OTHER = 'b'.repeat(64);

function container(differs: Inspected = {}): Container {
  const decoded = decodeContainer(inspected({ labels: { 'fairlead.name': 'web' }, ...differs }));
  if (decoded === undefined) throw new Error('not a container');
  return decoded;
}

const picture = () => new Picture(() => '192.168.50.11');
const states = (of: Picture) => of.workloads().map(({ localId, health }) => `${localId} ${health.state}`);

it('tells whether anything differs, and keeps the identity of what does not', () => {
  const of = picture();
  expect(of.put(container())).toBe(true);
  const [before] = of.workloads();
  expect(of.put(container())).toBe(false);
  expect(of.workloads()[0]).toBe(before);
  expect(of.put(container({ networks: { bridge: { ip: '172.17.0.9' } } }))).toBe(true);
  expect(of.remove(ID)).toBe(true);
  expect(of.remove(ID)).toBe(false);
});

it.each<[string, number, string | undefined, string]>([
  ['SIGTERM', 15, undefined, 'draining'],
  ['SIGQUIT', 3, undefined, 'draining'],
  ['SIGKILL', 9, undefined, 'draining'],
  ['SIGHUP', 1, undefined, 'passing'],
  ['SIGINT as STOPSIGNAL', 2, 'SIGINT', 'draining'],
  ['by short name', 10, 'usr1', 'draining'],
  ['by number', 37, '37', 'draining'],
  ['realtime', 37, 'SIGRTMIN+3', 'draining'],
  ['no number', Number.NaN, 'nonsense', 'passing'],
])('%s', (_title, signal, stopSignal, state) => {
  const of = picture();
  of.put(container(stopSignal === undefined ? {} : { stopSignal }));
  of.signal(ID, signal);
  expect(states(of)).toEqual([`web-1:80 ${state}`]);
});

it('remembers a signal that came before the first look, until the next run', () => {
  const of = picture();
  of.signal(ID, 15);
  of.put(container());
  expect(states(of)).toEqual(['web-1:80 draining']);
  of.put(container({ state: { StartedAt: '2026-01-01T00:01:00Z' } }));
  expect(states(of)).toEqual(['web-1:80 passing']);
  of.signal(ID, 15);
  of.remove(ID);
  of.put(container({ state: { StartedAt: '2026-01-01T00:01:00Z' } }));
  expect(states(of)).toEqual(['web-1:80 passing']);
});

it('keeps what was known of a container that cannot be looked at, and says so', () => {
  const of = picture();
  of.put(container());
  expect(of.fail(ID, 'slow')).toBe(true);
  expect(of.fail(ID, 'slow')).toBe(false);
  expect(states(of)).toEqual(['web-1:80 passing']);
  expect(of.problems()).toEqual([{ code: 'docker-inspect', subject: 'container web-1', message: 'slow' }]);
  expect(of.put(container())).toBe(true);
  expect(of.problems()).toEqual([]);
});

it('keeps its list of problems while they are the same', () => {
  const of = picture();
  of.put(container({ labels: { 'fairlead.port': 'x' } }));
  const before = of.problems();
  of.put(container({ id: OTHER, name: 'web-2' }));
  of.put(container({ labels: { 'fairlead.port': 'x' } }));
  expect(of.problems()).toBe(before);
});

it('never shows one id twice: the newer container has it', () => {
  const of = picture();
  of.put(container());
  of.put(container({ id: OTHER, networks: { bridge: { ip: '172.17.0.9' } } }));
  expect(of.workloads().map(({ localId, address }) => [localId, address])).toEqual([['web-1:80', '172.17.0.9']]);
});

it("follows the node's address for containers on the host's own network", () => {
  let address = '192.168.50.11';
  const of = new Picture(() => address);
  of.put(container({ networkMode: 'host', networks: { host: {} } }));
  expect(of.refresh()).toBe(false);
  address = '192.168.50.12';
  expect(of.refresh()).toBe(true);
  expect(of.workloads()[0]?.address).toBe('192.168.50.12');
});

it.each<[string, Inspected, string | undefined]>([
  ['Compose', { labels: { 'com.docker.compose.project': 'Shop', 'com.docker.compose.service': 'worker' } }, 'shop'],
  ['a one-off', { labels: { 'com.docker.compose.project': 'shop', 'com.docker.compose.oneoff': 'True' } }, 'shop'],
  ['no service', { labels: { 'com.docker.compose.project': 'shop', 'fairlead.enable': 'false' } }, 'shop'],
  ['Swarm', { labels: { 'com.docker.stack.namespace': 'shop' } }, 'shop'],
  ['ours first', { labels: { 'com.docker.compose.project': 'shop', 'fairlead.stack': ' blog ' } }, 'blog'],
  ['unfit for a name', { labels: { 'com.docker.compose.project': 'shop', 'fairlead.stack': 'a b' } }, undefined],
  ['in no stack', { labels: {} }, undefined],
  ['paused', { labels: { 'fairlead.stack': 'shop' }, state: { Paused: true } }, 'shop'],
  ['stopped', { labels: { 'fairlead.stack': 'shop' }, state: { Running: false } }, undefined],
])('knows the stack of addresses: %s', (_title, differs, stack) => {
  const of = picture();
  of.put(
    container({
      exposed: [],
      networks: { a: { ip: '172.18.0.2', ip6: 'fd00::2' }, b: { ip: '172.19.0.2' } },
      ...differs,
    }),
  );
  expect(['172.18.0.2', 'fd00::2', '172.19.0.2', '172.19.0.3'].map((address) => of.stackOf(address))).toEqual([
    stack,
    stack,
    stack,
    undefined,
  ]);
});

it('follows containers that start, change networks and end in whose an address is', () => {
  const of = picture();
  const shop = { labels: { 'fairlead.stack': 'shop' }, exposed: [] };
  const stacks = () => ['172.17.0.2', '172.17.0.9'].map((address) => of.stackOf(address));
  expect(stacks()).toEqual([undefined, undefined]);
  of.put(container(shop));
  expect(stacks()).toEqual(['shop', undefined]);
  of.put(container({ ...shop, networks: { bridge: { ip: '172.17.0.2' }, more: { ip: '172.17.0.9' } } }));
  expect(stacks()).toEqual(['shop', 'shop']);
  of.put(container({ id: OTHER, labels: { 'fairlead.stack': 'blog' } }));
  expect(stacks()).toEqual([undefined, 'shop']);
  of.remove(ID);
  expect(stacks()).toEqual(['blog', undefined]);
});
