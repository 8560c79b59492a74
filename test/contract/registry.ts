import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { claimKeys } from '../../src/model/claims.ts';
import type { Claim, Picture, Registry } from '../../src/registry/registry.ts';
import { grouped, row } from '../support/rows.ts';

/** What a backend brings to the suite; made anew for each test. */
export interface Backend {
  /** A registry for one node over the backend's state; a second one of the same name is that node's next process. */
  create(node: string): Registry;
  /** Removes all state, after every registry has ended. */
  remove(): Promise<void>;
}

export interface ContractOptions {
  /** May more than one node use it at once? Then the suite asks what nodes see of each other, too. */
  readonly cluster: boolean;
  readonly makeBackend: () => Promise<Backend>;
}

/** A registry at work, as a test holds it. */
interface Member {
  readonly registry: Registry;
  /** The first picture, from now on, that the condition holds for. */
  until(holds: (picture: Picture) => boolean): Promise<Picture>;
  /** Ends the process, as SIGTERM would: registrations stay. */
  stop(): Promise<void>;
}

/** Longer than any backend takes to show a node its own writes. */
const PATIENCE_MS = 10_000;

/** The behaviour every registry has. Nothing is assumed to be seen at once: each test waits for the picture it needs. */
export function registryContract(name: string, { cluster, makeBackend }: ContractOptions): void {
  describe(`registry: ${name}`, () => {
    let backend: Backend;
    let members: Member[];

    const start = (node: string): Member => {
      const stop = new AbortController();
      const registry = backend.create(node);
      const ended = registry.run(stop.signal);
      // A failure shows at `stop`, or where the test waits for a picture.
      ended.catch(() => {});
      const member: Member = {
        registry,
        until: async (holds) => {
          const patience = AbortSignal.any([stop.signal, AbortSignal.timeout(PATIENCE_MS)]);
          let last: Picture | undefined;
          for await (const picture of registry.watch(patience)) {
            last = picture;
            if (holds(picture)) return picture;
          }
          throw new Error(`no such picture; the last one: ${show(last)}`);
        },
        stop: async () => {
          stop.abort();
          await ended;
        },
      };
      members.push(member);
      return member;
    };

    beforeEach(async () => {
      backend = await makeBackend();
      members = [];
    });

    afterEach(async () => {
      for (const member of members) await member.stop();
      await backend.remove();
    });

    test('begins empty, with its own node', async () => {
      const { until, registry } = start('n1');
      const picture = await until((each) => each.nodes.some((node) => node.name === 'n1'));
      expect(picture.rows.size).toBe(0);
      expect(picture.claims.size).toBe(0);
      expect(picture.problems).toEqual([]);
      expect(picture.nodes.find((node) => node.name === 'n1')?.state).toBe('passing');
      expect(registry.status().connected).toBe(true);
      expect(registry.status().lastSync).toBeTypeOf('number');
    });

    test('refuses to write before it is connected, and says so', async () => {
      const registry = backend.create('n1');
      expect(registry.status().connected).toBe(false);
      await expect(registry.register([])).rejects.toMatchObject({ code: 'registry-unavailable' });
      await expect(registry.claim([new Map([['port/tcp/80', 'web']])])).rejects.toMatchObject({
        code: 'registry-unavailable',
      });
    });

    test('shows what was registered, whole and grouped', async () => {
      const { registry, until } = start('n1');
      await until(() => true);
      const rows = [
        row('web', 'web-2:80', { stack: 'shop', weight: 3 }),
        row('web', 'web-1:80', { stack: 'shop', state: 'draining' }),
        {
          ...row('dns', 'dns-1:53', {
            address6: 'fd00::53',
            policy: { affinity: { kind: 'client-ip', timeoutMs: 5000 } },
          }),
          tags: ['a', 'a "quoted" tag'],
          meta: new Map([['owner', 'line one\nline two']]),
          container: { id: 'f'.repeat(64), name: 'dns-1', image: 'dns:1' },
        },
      ];
      await registry.register(rows);
      const picture = await until((each) => each.rows.size === 2);
      expect(picture.rows).toEqual(grouped(...rows));
      expect(picture.problems).toEqual([]);
    });

    test('adds, changes and removes exactly the difference', async () => {
      const { registry, until } = start('n1');
      await until(() => true);
      const [a, b, c] = [row('web', 'a:80'), row('web', 'b:80'), row('api', 'c:80')];
      await registry.register([a, b]);
      const before = await until((each) => each.rows.get('web')?.length === 2);
      await registry.register([a, { ...b, state: 'critical', reason: 'connect refused' }, c]);
      const after = await until((each) => each.rows.has('api'));
      expect(after.rows.get('web')?.map((each) => each.state)).toEqual(['passing', 'critical']);
      expect(after.rows.get('web')?.[0]).toBe(before.rows.get('web')?.[0]);
      await registry.register([c]);
      const last = await until((each) => !each.rows.has('web'));
      expect(last.rows.get('api')).toBe(after.rows.get('api'));
      await registry.register([]);
      await until((each) => each.rows.size === 0);
    });

    test('keeps the identity of all that an equal set does not change', async () => {
      const { registry, until } = start('n1');
      await until(() => true);
      await registry.register([row('web', 'a:80'), row('api', 'c:80')]);
      const before = await until((each) => each.rows.size === 2);
      await registry.register([row('api', 'c:80'), row('web', 'a:80')]);
      await registry.claim([new Map([['port/tcp/80', 'web']])]);
      const after = await until((each) => each.claims.has('port/tcp/80'));
      expect(after.rows.get('web')).toBe(before.rows.get('web'));
      expect(after.rows.get('api')).toBe(before.rows.get('api'));
      expect(after.nodes).toBe(before.nodes);
      await registry.register([row('web', 'a:80')]);
      const last = await until((each) => each.rows.size === 1);
      expect(last.claims).toBe(after.claims);
    });

    test('moves an endpoint to another service', async () => {
      const { registry, until } = start('n1');
      await until(() => true);
      await registry.register([row('web', 'a:80')]);
      await until((each) => each.rows.has('web'));
      await registry.register([row('api', 'a:80')]);
      const picture = await until((each) => each.rows.has('api'));
      expect([...picture.rows.keys()]).toEqual(['api']);
    });

    test('rows outlive the process; the first registration of the next one removes what is no more', async () => {
      const first = start('n1');
      await first.until(() => true);
      const [a, b] = [row('web', 'a:80'), row('web', 'b:80')];
      await first.registry.register([a, b]);
      await first.until((each) => each.rows.has('web'));
      await first.stop();

      const second = start('n1');
      const found = await second.until((each) => each.rows.get('web')?.length === 2);
      expect(found.rows).toEqual(grouped(a, b));
      await second.registry.register([a]);
      const picture = await second.until((each) => each.rows.get('web')?.length === 1);
      expect(picture.rows.get('web')?.[0]).toBe(found.rows.get('web')?.[0]);
    });

    test('claims, drains and secrets outlive the process', async () => {
      const first = start('n1');
      await first.until(() => true);
      const claims = new Map([
        [claimKeys.vipOfService('web'), '10.96.0.7'],
        [claimKeys.serviceOfVip('10.96.0.7'), 'web'],
        [claimKeys.drain('n1/web-1:80'), '2026-01-01T00:00:00.000Z'],
        [claimKeys.secret('cookie', 1), '00ff'],
      ]);
      expect(await first.registry.claim([claims])).toEqual([{ won: true }]);
      await first.stop();
      const second = start('n1');
      const picture = await second.until((each) => each.claims.size > 0);
      expect(picture.claims).toEqual(claims);
    });

    const vip = (service: string, address: string): Claim =>
      new Map([
        [claimKeys.vipOfService(service), address],
        [claimKeys.serviceOfVip(address), service],
      ]);

    test('a claim is won whole, again by the same value, or changes nothing', async () => {
      const { registry, until } = start('n1');
      await until(() => true);
      expect(await registry.claim([vip('web', '10.96.0.1')])).toEqual([{ won: true }]);
      expect(await registry.claim([vip('web', '10.96.0.1')])).toEqual([{ won: true }]);
      expect(await registry.claim([vip('api', '10.96.0.1')])).toEqual([
        { won: false, held: new Map([[claimKeys.serviceOfVip('10.96.0.1'), 'web']]) },
      ]);
      expect(await registry.claim([vip('web', '10.96.0.2')])).toEqual([
        { won: false, held: new Map([[claimKeys.vipOfService('web'), '10.96.0.1']]) },
      ]);
      const picture = await until((each) => each.claims.size > 0);
      expect(picture.claims).toEqual(vip('web', '10.96.0.1'));
    });

    test('claims of one call stand for themselves, the first of two rivals wins', async () => {
      const { registry, until } = start('n1');
      await until(() => true);
      const outcomes = await registry.claim([
        vip('web', '10.96.0.1'),
        vip('api', '10.96.0.1'),
        vip('dns', '10.96.0.3'),
        new Map(),
      ]);
      expect(outcomes.map((outcome) => outcome.won)).toEqual([true, false, true, true]);
      const picture = await until((each) => each.claims.size === 4);
      expect([...picture.claims.values()].sort()).toEqual(['10.96.0.1', '10.96.0.3', 'dns', 'web']);
    });

    test('takes hundreds of claims in one call', async () => {
      const { registry, until } = start('n1');
      await until(() => true);
      const claims = Array.from({ length: 300 }, (_, i) => vip(`s${i}`, `10.96.1.${i % 250}`));
      const outcomes = await registry.claim(claims);
      expect(outcomes.map((outcome) => outcome.won)).toEqual(claims.map((_, i) => i < 250));
      await until((each) => each.claims.size === 500);
    });

    test('releases only keys that still hold the value', async () => {
      const { registry, until } = start('n1');
      await until(() => true);
      await registry.claim([vip('web', '10.96.0.1')]);
      await registry.release(
        new Map([
          [claimKeys.vipOfService('web'), '10.96.0.9'],
          [claimKeys.serviceOfVip('10.96.0.1'), 'web'],
          ['port/tcp/1', 'nobody'],
        ]),
      );
      const picture = await until((each) => each.claims.size === 1);
      expect([...picture.claims.keys()]).toEqual([claimKeys.vipOfService('web')]);
      expect(await registry.claim([new Map([[claimKeys.serviceOfVip('10.96.0.1'), 'api']])])).toEqual([{ won: true }]);
    });

    test('a slow reader gets the newest picture, not all of them', async () => {
      const { registry, until } = start('n1');
      await until(() => true);
      const stop = new AbortController();
      const pictures = registry.watch(stop.signal)[Symbol.asyncIterator]();
      await pictures.next();
      for (let i = 1; i <= 20; i++) await registry.register([row('web', 'a:80', { port: i })]);
      await until((each) => each.rows.get('web')?.[0]?.ports.get('http') === 20);
      const seen: number[] = [];
      while (seen.at(-1) !== 20) {
        const next = await pictures.next();
        seen.push(next.done ? 20 : (next.value.rows.get('web')?.[0]?.ports.get('http') ?? 0));
      }
      expect(seen.length).toBeLessThan(20);
      stop.abort();
      expect(await pictures.next()).toEqual({ done: true, value: undefined });
    });

    if (!cluster) return;

    test('two nodes see each other and touch only their own rows', async () => {
      const [n1, n2] = [start('n1'), start('n2')];
      await Promise.all([n1.until(() => true), n2.until(() => true)]);
      await n1.registry.register([row('web', 'a:80', { node: 'n1' })]);
      await n2.registry.register([row('web', 'a:80', { node: 'n2' })]);
      const both = await n1.until((each) => each.rows.get('web')?.length === 2);
      expect(both.rows.get('web')?.map((each) => each.id)).toEqual(['n1/a:80', 'n2/a:80']);
      await n1.registry.register([]);
      const left = await n2.until((each) => each.rows.get('web')?.length === 1);
      expect(left.rows.get('web')?.[0]?.node).toBe('n2');
      const outcomes = await Promise.all([n1, n2].map((each, i) => each.registry.claim([vip(`s${i}`, '10.96.0.1')])));
      expect(outcomes.flat().filter((outcome) => outcome.won)).toHaveLength(1);
    });
  });
}

const show = (picture: Picture | undefined): string =>
  picture === undefined
    ? 'none'
    : JSON.stringify({ ...picture, rows: [...picture.rows], claims: [...picture.claims] }).slice(0, 2000);
