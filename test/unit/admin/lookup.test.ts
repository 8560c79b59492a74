import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { findEndpoint, findServices } from '../../../src/admin/lookup.ts';
import { buildTable } from '../../../src/model/build.ts';
import type { Registration } from '../../../src/model/service.ts';
import type { ServiceTable } from '../../../src/model/table.ts';
import { grouped, row } from '../../support/rows.ts';

const tableOf = (...rows: readonly Registration[]): ServiceTable =>
  buildTable({
    node: 'n1',
    rows: grouped(...rows),
    local: grouped(...rows.filter((each) => each.node === 'n1')),
    claims: new Map(),
    nodes: [],
    problems: [],
  }).table;

const container = (name: string, id: string) => ({ name, id: id.padEnd(64, '0'), image: 'web' });

const table = tableOf(
  { ...row('web', 'web-1:80'), container: container('web-1', '3f9a6c1d2b7e') },
  { ...row('web', 'web-10:80'), container: container('web-10', '3f9a6c1d2b7f') },
  row('web', 'web-1:80', { node: 'n2' }),
  row('db', 'db-1', { stack: 'shop' }),
  row('db', 'db-1-replica'),
  { ...row('api', 'api:80'), container: container('api', 'aaaaaaaaaaaa') },
  { ...row('api', 'api:81'), container: container('api', 'aaaaaaaaaaaa') },
);

describe('findEndpoint', () => {
  it.each([
    ['a full id', 'n2/web-1:80', 'n2/web-1:80'],
    ['the part after the slash', 'web-10:80', 'n1/web-10:80'],
    ['a local id that is also the beginning of another', 'db-1', 'n1/db-1'],
    ["a container's name that is also the beginning of another", 'web-1', 'n1/web-1:80'],
    ['the beginning of a full id', 'n2/', 'n2/web-1:80'],
    ['the beginning of the part after the slash', 'db-1-', 'n1/db-1-replica'],
    ["the beginning of a container's id", '3f9a6c1d2b7f', 'n1/web-10:80'],
  ])('finds %s', (_what, text, id) => {
    expect(findEndpoint(table, text)).toMatchObject({ kind: 'found', endpoint: { id } });
  });

  it.each([
    ['an id on two nodes', 'web-1:80', ['n1/web-1:80', 'n2/web-1:80']],
    ['a container with two endpoints', 'api', ['n1/api:80', 'n1/api:81']],
    ['a beginning of several', 'n1/web-1', ['n1/web-10:80', 'n1/web-1:80']],
  ])('does not guess: %s', (_what, text, candidates) => {
    expect(findEndpoint(table, text)).toEqual({ kind: 'ambiguous', candidates: candidates.toSorted() });
  });

  it.each([
    ['db-1-replika', 'n1/db-1-replica'],
    ['n1/wev-10:80', 'n1/web-10:80'],
    ['', undefined],
    ['nothing like it', undefined],
    ['3f9a', undefined],
  ])('knows no %j', (text, meant) => {
    expect(findEndpoint(table, text)).toEqual({ kind: 'unknown', ...(meant === undefined ? {} : { meant }) });
  });

  it('finds every endpoint by its full id, whatever the others are called', () => {
    const ids = fc.uniqueArray(fc.stringMatching(/^[a-c]{1,3}(:80)?$/), { minLength: 1 });
    fc.assert(
      fc.property(ids, (locals) => {
        const all = tableOf(...locals.map((local) => row('web', local)));
        for (const local of locals) {
          expect(findEndpoint(all, `n1/${local}`)).toMatchObject({ kind: 'found', endpoint: { id: `n1/${local}` } });
        }
      }),
    );
  });
});

describe('findServices', () => {
  it.each([
    ['db', ['db', 'db.shop']],
    ['DB.Shop', ['db.shop']],
    ['web', ['web']],
    ['nope', []],
  ])('%s', (name, keys) => {
    expect(findServices(table, name).map(({ key }) => key)).toEqual(keys);
  });
});
