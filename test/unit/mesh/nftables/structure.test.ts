import { expect, test } from 'vitest';
import { contentsOf } from '../../../../src/mesh/nftables/elements.ts';
import { changeScript, cleanupScript, generationScript, tableScript } from '../../../../src/mesh/nftables/script.ts';
import { planMesh } from '../../../../src/mesh/plan.ts';
import { service, table } from '../../../support/services.ts';

const plan = planMesh({
  table: table(
    1,
    service('web', {
      vip: '10.96.0.1',
      vip6: 'fd00:f1::1',
      ports: [{ publish: 8000 }],
      endpoints: { a: { address: '10.1.0.1', address6: 'fd00:1::1' }, b: { address: '10.1.0.2', weight: 2 } },
    }),
    service('idle', { vip: '10.96.0.2' }),
    service('elsewhere', { vip: '10.96.0.3', traffic: 'local', endpoints: { a: { address: '10.1.0.3', node: 'n2' } } }),
  ),
  facts: {
    node: 'n1',
    nodeAddress: '192.168.50.1',
    addresses: [],
    bridges: [
      { name: 'docker0', subnets: ['172.17.0.0/16', 'fd00:17::/64', '172.18.0.1/32'], gateways: ['172.17.0.1'] },
    ],
  },
  ranges: { vipCidr: '10.96.0.0/16', vipCidr6: 'fd00:f1::/112' },
});

// Long and alike: one of each kind is enough to read.
const shown = (text: string): string =>
  text.replaceAll(/\tchain (?:vip|published)_\w+_(?!3 |64 )\d+ \{\n[^}]*\}\n\n?/g, '');

test('the table of IPv4', async () => {
  await expect(shown(tableScript(4, contentsOf(plan, 4)))).toMatchFileSnapshot('golden/ip.nft');
});

test('the table of IPv6', async () => {
  await expect(shown(tableScript(6, contentsOf(plan, 6)))).toMatchFileSnapshot('golden/ip6.nft');
});

test('cleanup and our transactions’ number', () => {
  expect(cleanupScript + generationScript(7)).toBe(`add table ip fairlead
delete table ip fairlead
add table ip6 fairlead
delete table ip6 fairlead
flush set ip fairlead generation
add element ip fairlead generation { 7 }
`);
});

test.each(['1.1.1.1 }; flush ruleset', 'a\nb', '10.0.0.1 , 10.0.0.2', '$(id)', '#'])(
  '%j never becomes part of a script',
  (key) => {
    expect(() => changeScript({ removed: [], added: [{ family: 4, set: 'vips', key }] })).toThrow(
      'must not become part',
    );
  },
);
