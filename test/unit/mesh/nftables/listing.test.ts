import { describe, expect, test } from 'vitest';
import { contentsIn, diffStructure, parseListing, respell } from '../../../../src/mesh/nftables/listing.ts';
import { structureOf } from '../../../../src/mesh/nftables/structure.ts';

// As nft 1.0.6 prints it, with -y and -p.
const LISTING = `table ip fairlead {
	map services {
		typeof ip daddr . meta l4proto . th dport : verdict
		elements = { 10.96.0.1 . 6 . 80 : goto vip_random_2,
			     10.96.0.6 . 17 . 53 : goto refuse }
	}

	map published {
		typeof meta l4proto . th dport : verdict
		elements = { 6 . 17 : drop }
	}

	set neighbours {
		typeof ip saddr . ip daddr
		flags interval
		elements = { 172.17.0.0/16 . 172.17.0.0/16,
			     10.2.3.4 . 10.2.3.4 }
	}

	set bridges {
		type ifname
		elements = { "docker0" }
	}

	set generation {
		type mark
		elements = { 0x00000007 }
	}

	chain old {
	}

	chain dispatch {
		ip daddr . meta l4proto . th dport vmap @services
	}
}
`;

describe('a listing', () => {
  const listing = parseListing(LISTING);

  test('gives back elements as they are written', () => {
    expect(contentsIn(listing, structureOf(4))).toEqual(
      new Map([
        [
          'services',
          new Map([
            ['10.96.0.1 . tcp . 80', 'goto vip_random_2'],
            ['10.96.0.6 . udp . 53', 'goto refuse'],
          ]),
        ],
        ['published', new Map([['tcp . 17', 'drop']])],
        [
          'neighbours',
          new Map([
            ['172.17.0.0/16 . 172.17.0.0/16', ''],
            ['10.2.3.4 . 10.2.3.4', ''],
          ]),
        ],
        ['bridges', new Map([['"docker0"', '']])],
      ]),
    );
  });

  test('gives back the constant part', () => {
    expect(listing.blocks.get('set neighbours')).toEqual(['typeof ip saddr . ip daddr', 'flags interval']);
    expect(listing.blocks.get('chain old')).toEqual([]);
  });

  test('tells how the constant part differs', () => {
    const differences = diffStructure(listing, structureOf(4));
    expect(differences).toContain('map slots is missing');
    expect(differences).toContain('chain dispatch was changed');
    expect(differences).toContain('chain old is not ours');
    expect(differences).not.toContain('map services was changed');
  });

  test('teaches how this nft spells our rules', () => {
    const respelt = respell(listing, structureOf(4));
    expect(diffStructure(listing, respelt)).not.toContain('chain dispatch was changed');
    expect(diffStructure(listing, respelt)).toContain('chain old is not ours');
  });
});
