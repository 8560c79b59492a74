import { describe, expect, test } from 'vitest';
import type { Health } from '../../../src/model/service.ts';
import type { SourceState } from '../../../src/model/source.ts';
import { LocalSet } from '../../../src/registry/local.ts';
import { workload } from '../../support/workloads.ts';

const state = (...workloads: SourceState['workloads']): SourceState => ({ workloads, problems: [] });
const passing: Health = { state: 'passing', reason: '' };
const refused: Health = { state: 'critical', reason: 'connect refused 10.1.1.2:3000' };

const ids = (set: LocalSet) =>
  Object.fromEntries([...set.rows()].map(([key, group]) => [key, group.map((each) => `${each.id} ${each.state}`)]));

describe('what runs on this node', () => {
  test('is the workloads of all sources, as rows of this node', () => {
    const set = new LocalSet({ node: 'n1' });
    set.setSource('docker', state(workload('web-2'), workload('web-1', { weight: 3, tags: ['a'] })));
    set.setSource(
      'file',
      state(workload('db-1', { service: 'db', health: { state: 'draining', reason: 'stopping' } })),
    );
    expect(ids(set)).toEqual({ web: ['n1/web-1 passing', 'n1/web-2 passing'], db: ['n1/db-1 draining'] });
    const { localId: _id, health: _health, ...facts } = workload('web-1', { weight: 3, tags: ['a'] });
    expect(set.rows().get('web')?.[0]).toEqual({ ...facts, ...passing, id: 'n1/web-1', node: 'n1' });
    expect(new Set(set.all())).toEqual(new Set([...set.rows().values()].flat()));
    expect([...set.workloads()].map((each) => each.localId).sort()).toEqual(['db-1', 'web-1', 'web-2']);
    expect(set.problems()).toEqual([]);
  });

  test('follows its sources: added, changed, moved, removed', () => {
    const set = new LocalSet({ node: 'n1' });
    set.setSource('docker', state(workload('a'), workload('b')));
    set.setSource('docker', state(workload('b', { service: 'api' }), workload('c')));
    expect(ids(set)).toEqual({ web: ['n1/c passing'], api: ['n1/b passing'] });
    set.setSource('docker', state());
    expect(ids(set)).toEqual({});
    expect(set.all()).toEqual([]);
  });

  test('a checked workload is critical until the check has spoken, then the worse of both', () => {
    const set = new LocalSet({ node: 'n1' });
    set.setSource('file', state(workload('a', { check: {} })));
    expect(set.all()[0]).toMatchObject({ state: 'critical', reason: 'not checked yet' });
    set.setHealth('a', passing);
    expect(set.all()[0]).toMatchObject(passing);
    set.setHealth('a', refused);
    expect(set.all()[0]).toMatchObject(refused);
    set.setSource('file', state(workload('a', { check: {}, health: { state: 'draining', reason: 'stopping' } })));
    expect(set.all()[0]).toMatchObject({ state: 'draining', reason: 'stopping' });
    set.setSource('file', state(workload('a', { check: {} })));
    expect(set.all()[0]).toMatchObject(refused);
  });

  test('a result is forgotten with its workload or its check, and ignored without one', () => {
    const set = new LocalSet({ node: 'n1' });
    set.setHealth('a', refused);
    set.setSource('file', state(workload('a')));
    set.setHealth('a', refused);
    expect(set.all()[0]?.state).toBe('passing');
    for (const between of [state(), state(workload('a'))]) {
      set.setSource('file', state(workload('a', { check: {} })));
      set.setHealth('a', passing);
      set.setSource('file', between);
      set.setSource('file', state(workload('a', { check: {} })));
      expect(set.all()[0]?.reason).toBe('not checked yet');
    }
  });

  test('of two sources with one local id the first keeps it until it leaves', () => {
    const set = new LocalSet({ node: 'n1' });
    set.setSource('docker', state(workload('a', { weight: 1 })));
    set.setSource('file', state(workload('a', { weight: 2 }), workload('b')));
    expect(set.all().map((each) => each.weight)).toEqual([1, 1]);
    expect(set.problems()).toEqual([
      {
        code: 'duplicate-endpoint',
        subject: 'endpoint a',
        message: expect.stringMatching(/file declares.*docker has/),
      },
    ]);
    const before = set.problems();
    set.setSource('file', state(workload('a', { weight: 2 }), workload('b')));
    expect(set.problems()).toBe(before);
    set.setSource('docker', state());
    expect(
      set
        .rows()
        .get('web')
        ?.map((each) => each.weight),
    ).toEqual([2, 1]);
    expect(set.problems()).toEqual([]);
  });

  test('of two within one source the first counts', () => {
    const set = new LocalSet({ node: 'n1' });
    set.setSource('file', state(workload('a', { weight: 1 }), workload('a', { weight: 2 })));
    expect(set.all().map((each) => each.weight)).toEqual([1]);
    expect(set.problems()).toMatchObject([{ code: 'duplicate-endpoint', subject: 'endpoint a' }]);
  });

  test('passes on what its sources report', () => {
    const set = new LocalSet({ node: 'n1' });
    const problem = { code: 'label', subject: 'container x', message: 'fairlead.port: "a" is no port' };
    set.setSource('docker', { workloads: [], problems: [problem] });
    expect(set.problems()).toEqual([problem]);
    set.setSource('docker', state());
    expect(set.problems()).toEqual([]);
  });

  test('equal workloads and results change nothing', () => {
    const set = new LocalSet({ node: 'n1' });
    set.setSource('file', state(workload('a', { check: {} }), workload('b')));
    set.setHealth('a', passing);
    const [rows, all] = [set.rows(), set.all()];
    set.setSource('file', state(workload('b'), workload('a', { check: {} })));
    set.setHealth('a', { ...passing });
    expect(set.rows()).toBe(rows);
    expect(set.all()).toBe(all);
  });

  test('one result among 30,000 workloads touches one group', () => {
    const set = new LocalSet({ node: 'n1' });
    const many = Array.from({ length: 30_000 }, (_, i) => workload(`e${i}`, { service: `s${i % 10_000}`, check: {} }));
    set.setSource('docker', state(...many));
    const before = set.rows();
    expect(before.size).toBe(10_000);
    set.setHealth('e4711', passing);
    const after = set.rows();
    expect([...after].filter(([key, group]) => before.get(key) !== group).map(([key]) => key)).toEqual(['s4711']);
    expect(after.get('s4711')?.filter((each, i) => each !== before.get('s4711')?.[i])).toHaveLength(1);
    expect(set.all()).toHaveLength(30_000);
  });
});
