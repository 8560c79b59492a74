import { CT_MARK_BIT } from '../mark.ts';
import type { Family } from '../plan.ts';
import { EXACT_LIMIT, SIZE_CLASSES, type Spread } from '../slots.ts';

/** The table's name in both families, `ip` and `ip6`. */
export const TABLE = 'fairlead';

export const familyWord = (family: Family): 'ip' | 'ip6' => (family === 4 ? 'ip' : 'ip6');

/** What varies; everything else in the table is constant. */
export type SetName =
  /** VIP, protocol, port → the chain that balances it. */
  | 'services'
  /** VIP, protocol, port, slot → endpoint. */
  | 'slots'
  /** Protocol and port on any local address → chain. */
  | 'published'
  | 'published_slots'
  /** Addresses that are somebody's VIP. */
  | 'vips'
  | 'vip_range'
  /** Source and destination networks that reach each other without passing this host. */
  | 'neighbours'
  | 'bridges'
  /** One number, new in each of our transactions: how the monitor tells them from others'. */
  | 'generation';

interface SetBlock {
  readonly kind: 'map' | 'set';
  readonly name: SetName;
  readonly lines: readonly string[];
}

interface ChainBlock {
  readonly kind: 'chain';
  readonly name: string;
  readonly lines: readonly string[];
}

type Block = SetBlock | ChainBlock;

/** The constant part of one family's table, block by block, in the very words in which `nft list` gives it back. */
export type Structure = readonly Block[];

export const blockTitle = ({ kind, name }: Pick<Block, 'kind' | 'name'>): string => `${kind} ${name}`;

const LARGEST = Math.max(...SIZE_CLASSES);
const MARK = `0x${CT_MARK_BIT.toString(16).padStart(8, '0')}`;

/** Any number: it only keeps our hash apart from that of others who hash the same fields. */
const HASH_SEED = '0x5eed';

/** Before Docker's −100. A name (`dstnat - 5`) would not be accepted in `hook output`. */
const BEFORE_DOCKER = -105;
const AFTER_DOCKER = 105;
/** After all destination NAT, which the kernel does at −100 whatever a chain's own priority. */
const AFTER_NAT = -90;

/**
 * The table of one family: a connection's first packet finds its service in a verdict map, its endpoint in a map of
 * slots, both by hashing. The number of rules does not depend on the number of services.
 */
export function structureOf(family: Family): Structure {
  return [...sets(family), ...balancers(family), ...dispatch(family), ...postrouting(family), ...guard(family)];
}

function sets(family: Family): readonly Block[] {
  const ip = familyWord(family);
  const address = family === 4 ? 'ipv4_addr' : 'ipv6_addr';
  const service = `${ip} daddr . meta l4proto . th dport`;
  const port = 'meta l4proto . th dport';
  // A number that any slot fits in; that it is drawn by `numgen` here binds nobody.
  const slot = `numgen random mod ${LARGEST}`;
  const target = `${ip} daddr . th dport`;
  return [
    { kind: 'map', name: 'services', lines: [`typeof ${service} : verdict`] },
    { kind: 'map', name: 'slots', lines: [`typeof ${service} . ${slot} : ${target}`] },
    { kind: 'map', name: 'published', lines: [`typeof ${port} : verdict`] },
    { kind: 'map', name: 'published_slots', lines: [`typeof ${port} . ${slot} : ${target}`] },
    { kind: 'set', name: 'vips', lines: [`type ${address}`] },
    { kind: 'set', name: 'vip_range', lines: [`type ${address}`, 'flags interval'] },
    { kind: 'set', name: 'neighbours', lines: [`typeof ${ip} saddr . ${ip} daddr`, 'flags interval'] },
    { kind: 'set', name: 'bridges', lines: ['type ifname'] },
    { kind: 'set', name: 'generation', lines: ['type mark'] },
  ];
}

const RANDOM_SIZES = [...Array.from({ length: EXACT_LIMIT }, (_, i) => i + 1), ...SIZE_CLASSES.slice(1)];

/** Which of the constant chains balances a listener. */
export const balancerName = (at: 'vip' | 'published', spread: Spread, size: number): string =>
  `${at}_${spread.replace('-', '_')}_${size}`;

function balancers(family: Family): readonly Block[] {
  const ip = familyWord(family);
  const balancer = (at: 'vip' | 'published', spread: Spread, size: number): Block => {
    const [key, map] =
      at === 'vip'
        ? [`${ip} daddr . meta l4proto . th dport`, 'slots']
        : ['meta l4proto . th dport', 'published_slots'];
    const draw = {
      random: `numgen random mod ${size}`,
      'client-ip': `jhash ${ip} saddr mod ${size} seed ${HASH_SEED}`,
      // The rest of the 5-tuple is the same for all flows of a listener; a published port's many addresses must not count.
      'source-hash': `jhash ${ip} saddr . th sport mod ${size} seed ${HASH_SEED}`,
    }[spread];
    return {
      kind: 'chain',
      name: balancerName(at, spread, size),
      lines: [`ct mark set ct mark | ${MARK} dnat ${ip} to ${key} . ${draw} map @${map}`],
    };
  };
  return (['vip', 'published'] as const).flatMap((at) => [
    ...RANDOM_SIZES.map((size) => balancer(at, 'random', size)),
    ...SIZE_CLASSES.map((size) => balancer(at, 'client-ip', size)),
    ...SIZE_CLASSES.map((size) => balancer(at, 'source-hash', size)),
  ]);
}

function dispatch(family: Family): readonly Block[] {
  const ip = familyWord(family);
  const base = (hook: string): string => `type nat hook ${hook} priority ${BEFORE_DOCKER}; policy accept;`;
  return [
    { kind: 'chain', name: 'refuse', lines: ['reject with tcp reset', 'reject'] },
    {
      kind: 'chain',
      name: 'dispatch',
      lines: [
        `${ip} daddr . meta l4proto . th dport vmap @services`,
        'fib daddr type local meta l4proto . th dport vmap @published',
      ],
    },
    { kind: 'chain', name: 'nat_prerouting', lines: [base('prerouting'), 'jump dispatch'] },
    { kind: 'chain', name: 'nat_output', lines: [base('output'), 'jump dispatch'] },
  ];
}

/** The client's address is kept wherever the answer finds back by itself. */
function postrouting(family: Family): readonly Block[] {
  const ip = familyWord(family);
  return [
    {
      kind: 'chain',
      name: 'nat_postrouting',
      lines: [
        `type nat hook postrouting priority ${AFTER_DOCKER}; policy accept;`,
        `ct mark & ${MARK} == 0x00000000 return`,
        // Client and endpoint on one bridge, or the same: the answer would go straight there, unasked for.
        `${ip} saddr . ${ip} daddr @neighbours masquerade fully-random`,
        // 127.0.0.1 means somebody else beyond this host.
        ...(family === 4 ? ['ip saddr 127.0.0.0/8 oifname != "lo" masquerade fully-random'] : []),
        // Our own address was chosen for the VIP; the link the endpoint is on may have another.
        'fib saddr type local fib saddr . oif type != local oifname != @bridges oifname != "lo" masquerade fully-random',
        // From this host itself: the answer comes back to it by any route.
        'fib saddr type local return',
        // In and out by an uplink: the endpoint's route to the client need not lead through here.
        'iifname != @bridges oifname != @bridges masquerade fully-random',
      ],
    },
  ];
}

function guard(family: Family): readonly Block[] {
  const ip = familyWord(family);
  const base = (hook: string): string => `type filter hook ${hook} priority ${AFTER_NAT}; policy accept;`;
  const { prerouting, output } = loopbackGuard(family);
  return [
    {
      kind: 'chain',
      name: 'guard',
      // Whatever is still on its way to a VIP here was not translated: an unknown port, or a flow nobody remembers.
      lines: [`${ip} daddr @vips goto refuse`, `${ip} daddr @vip_range drop`],
    },
    { kind: 'chain', name: 'guard_prerouting', lines: [base('prerouting'), ...prerouting, 'jump guard'] },
    { kind: 'chain', name: 'guard_output', lines: [base('output'), ...output, 'jump guard'] },
  ];
}

/** What may pass between loopback and the other links. */
function loopbackGuard(family: Family): { readonly prerouting: readonly string[]; readonly output: readonly string[] } {
  if (family === 4) {
    return {
      // With `route_localnet` the kernel no longer refuses these by itself (CVE-2020-8558).
      prerouting: [
        'iifname != "lo" ip saddr 127.0.0.0/8 drop',
        // Not what anybody's rules translated: Docker without its userland proxy serves 127.0.0.1 in the same way.
        'iifname != "lo" ip daddr 127.0.0.0/8 ct status ! dnat drop',
      ],
      output: [],
    };
  }
  // IPv6 has no `route_localnet`: the kernel routes nothing to ::1 that came by another link (`rt6_need_strict`), be it
  // a client or the answer to one. Refused, it is not waited for: who asked for `localhost` goes on to 127.0.0.1.
  return { prerouting: [], output: ['ip6 saddr ::1 fib daddr type != local goto refuse'] };
}
