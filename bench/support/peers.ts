import type { Router } from './routers.ts';
import { PORT } from './routers.ts';

/** Another way to the same end, as text for the program that loads it. */
export interface Peer {
  readonly name: string;
  readonly program: readonly [program: string, ...args: string[]];
  /** Everything for so many services of three endpoints each. */
  script(router: Router, services: number): string;
  /** What changes when the last endpoint of one service goes (`left` 2) or comes back (`left` 3). */
  change(router: Router, change: { readonly services: number; readonly index: number; readonly left: number }): string;
}

const endpointsOf = (router: Router, index: number, count = 3): readonly string[] =>
  Array.from({ length: count }, (_, e) => router.endpoint(3 * index + e));

const each = (services: number, make: (index: number) => string): string =>
  Array.from({ length: services }, (_, index) => make(index)).join('');

/** kube-proxy's shape: a verdict map to a chain for each service, which draws among its endpoints in an anonymous map. */
export const chainPerService: Peer = {
  name: 'nftables, a chain per service',
  program: ['nft', '-f', '-'],
  script: (router, services) => `table ip peer {
  map services { type ipv4_addr . inet_proto . inet_service : verdict; }
${each(services, (i) => `  chain svc-${i} { ${drawRule(router, i, 3)}; }\n`)}
  chain services { ip daddr . meta l4proto . th dport vmap @services; }
  chain prerouting { type nat hook prerouting priority -105; jump services; }
}
add element ip peer services { ${each(services, (i) => `${router.vip(i)} . tcp . 80 : goto svc-${i},`)} }
`,
  change: (router, { index, left }) =>
    `flush chain ip peer svc-${index}\nadd rule ip peer svc-${index} ${drawRule(router, index, left)}\n`,
};

const drawRule = (router: Router, index: number, count: number): string => {
  const targets = endpointsOf(router, index, count).map((address, e) => `${e} : ${address} . ${PORT}`);
  return `meta l4proto tcp dnat ip to numgen random mod ${count} map { ${targets.join(', ')} }`;
};

/** The classic: one long list of services, each with a chain that draws by `statistic`. */
export const linearIptables: Peer = {
  name: 'iptables-legacy, linear',
  program: ['iptables-legacy-restore', '--noflush'],
  script: (router, services) => `*nat
:SERVICES - [0:0]
${each(services, (i) => `:SVC-${i} - [0:0]\n`)}-A PREROUTING -j SERVICES
${each(services, (i) => `-A SERVICES -d ${router.vip(i)}/32 -p tcp -m tcp --dport 80 -j SVC-${i}\n${statisticRules(router, i, 3)}`)}COMMIT
`,
  change: (router, { index, left }) => `*nat\n:SVC-${index} - [0:0]\n${statisticRules(router, index, left)}COMMIT\n`,
};

const statisticRules = (router: Router, index: number, count: number): string =>
  endpointsOf(router, index, count)
    .map((address, e) => {
      const share = e === count - 1 ? '' : ` -m statistic --mode random --probability ${(1 / (count - e)).toFixed(10)}`;
      return `-A SVC-${index} -p tcp${share} -j DNAT --to-destination ${address}:${PORT}\n`;
    })
    .join('');
