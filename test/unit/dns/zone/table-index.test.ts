import fc from 'fast-check';
import { expect, it } from 'vitest';
import { TableIndex } from '../../../../src/dns/zone/table-index.ts';
import type { ServiceTable } from '../../../../src/model/table.ts';
import { endpoint, service, table } from '../../../support/dns.ts';

const ADDRESSES = ['172.17.0.1', '172.17.0.2', '172.17.0.3', 'fd00::1'];
const STACKS = [undefined, 'a', 'b'];
const NAMES = ['w', 'x', 'y'];

/** Everything the index can be asked about the small world above. */
const observe = (index: TableIndex) => ({
  stacks: STACKS.map((stack) => index.hasStack(stack ?? '')),
  stackOf: ADDRESSES.map((address) => index.stackOf(address)),
  services: ADDRESSES.map((address) => index.servicesAt(address).map(({ key }) => key)),
  vips: ADDRESSES.map((address) => index.serviceOfVip(address)?.key),
});

const services = fc.uniqueArray(
  fc.record({
    name: fc.constantFrom(...NAMES),
    stack: fc.constantFrom(...STACKS),
    addresses: fc.array(fc.constantFrom(...ADDRESSES), { maxLength: 3 }),
  }),
  { selector: ({ name, stack }) => `${name}.${stack}` },
);

const toTable = (revision: number, declared: typeof services extends fc.Arbitrary<infer T> ? T : never): ServiceTable =>
  table(
    declared.map(({ name, stack, addresses }) =>
      service(name, {
        ...(stack === undefined ? {} : { stack }),
        endpoints: addresses.map((address, index) => endpoint(`n1/${name}-${index}`, address)),
      }),
    ),
    [],
    revision,
  );

it('moved from table to table it knows what one built anew does', () => {
  fc.assert(
    fc.property(fc.array(services, { minLength: 1, maxLength: 6 }), (history) => {
      const moved = new TableIndex('n1');
      history.forEach((declared, revision) => {
        const next = toTable(revision, declared);
        const fresh = new TableIndex('n1');
        fresh.moveTo(next);
        expect(moved.moveTo(next)).toBe(true);
        expect(moved.moveTo(next)).toBe(false);
        expect(observe(moved)).toEqual(observe(fresh));
      });
    }),
  );
});

it('prefers this node where the addresses of two overlap', () => {
  const a = service('a', { stack: 'here', endpoints: [endpoint('n1/a', '172.17.0.2')] });
  const b = service('b', { stack: 'there', endpoints: [endpoint('n2/b', '172.17.0.2')] });
  const stackAt = (name: string) => {
    const index = new TableIndex(name);
    index.moveTo(table([a, b]));
    return index.stackOf('172.17.0.2');
  };
  expect([stackAt('n1'), stackAt('n2'), stackAt('n3')]).toEqual(['here', 'there', undefined]);
});

it('takes IPv6 addresses in any spelling', () => {
  const index = new TableIndex('n1');
  index.moveTo(
    table([service('a', { stack: 's', vip6: 'FD00:0::00AA', endpoints: [endpoint('n1/a', 'fd00:0:0::1')] })]),
  );
  expect([index.stackOf('fd00::1'), index.serviceOfVip('fd00::aa')?.key]).toEqual(['s', 'a.s']);
});
