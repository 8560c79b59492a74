import { hostname } from 'node:os';
import { z } from 'zod';
import type { Workload } from '../model/service.ts';
import { isLoopback } from './address.ts';
import {
  address,
  cidr,
  computed,
  count,
  dnsServer,
  dockerSocket,
  domain,
  duration,
  flag,
  hostPort,
  httpUrl,
  list,
  listen,
  mapOf,
  name,
  oneOf,
  option,
  optional,
  path,
  portRange,
  secret,
  section,
  text,
  vipCidr,
  vipCidr6,
} from './fields.ts';

/** The host's name up to its first dot: DNS names and endpoint ids hold one label for a node. */
const shortHostname = () => hostname().split('.')[0]?.toLowerCase() ?? '';

/** A week, the longest TTL that makes sense for a name (RFC 8767 §4). */
const MAX_TTL = 604_800;
const seconds = () => count(0, MAX_TTL);

const node = section({
  name: computed(
    name(),
    shortHostname,
    "This node's name in DNS, in endpoint ids and in the registry. Without it: the hostname.",
  ),
  address: optional(address(), 'The address other nodes reach. Without it: the source address of the default route.'),
  zone: optional(name(), 'Where this node stands, for services that prefer their own zone.'),
});

const consul = section({
  url: option(httpUrl(), 'http://127.0.0.1:8500', "The host's own Consul agent."),
  ca: optional(path(), 'CA certificate (PEM) for https.'),
  cert: optional(path(), 'Client certificate (PEM) for https.'),
  key: optional(path(), 'Key (PEM) of the client certificate.'),
  token: option(secret(), '', 'ACL token.'),
  tokenFile: optional(path(), 'File that holds the ACL token.'),
  datacenter: option(text(), '', "Datacenter. Without it: the agent's own."),
  prefix: option(text(), 'fairlead', 'Prefix of the keys fairlead writes.'),
});

const registry = section({
  kind: option(oneOf(['embedded', 'consul']), 'embedded', 'Where the picture of the services is kept.'),
  consul,
});

const containers = section({
  docker: option(dockerSocket(), 'unix:///var/run/docker.sock', 'The Docker Engine whose containers become endpoints.'),
});

const dns = section({
  listen: option(list(hostPort()), ['127.0.0.1:53'], 'Where DNS is answered, over UDP and TCP.'),
  containers: option(flag(), true, 'Answer on the gateways of the container bridges, too.'),
  domain: option(domain(), 'fairlead.internal', 'The domain of all names.'),
  aliases: option(list(domain()), ['service.consul', 'rancher.internal'], 'Other domains with the same services.'),
  ttl: section({
    vip: option(seconds(), 30, 'TTL of virtual addresses, seconds.'),
    endpoints: option(seconds(), 1, 'TTL of endpoint addresses, seconds.'),
    negative: option(seconds(), 1, 'How long "there is no such name" may be kept, seconds.'),
  }),
  upstreams: option(
    list(dnsServer()),
    [],
    'Where other names are asked for. Without any: the servers of /etc/resolv.conf, itself left out.',
  ),
  routes: option(mapOf(domain(), list(dnsServer())), {}, 'Servers for single domains, the longest match first.'),
  allow: option(
    list(cidr()),
    [],
    "Who may ask. Without any: this host's own addresses, its container subnets and the VIP range.",
  ),
});

const mesh = section({
  backend: option(
    oneOf(['auto', 'nftables', 'iptables', 'ipvs', 'off']),
    'auto',
    'What programs the virtual addresses; auto takes the best one the host has.',
  ),
  vipCidr: option(vipCidr(), '10.96.0.0/16', 'The range virtual addresses are taken from.'),
  vipCidr6: option(vipCidr6(), '', 'The same for IPv6, such as fd00:f1::/112; none without it.'),
  network: option(oneOf(['relay', 'routes', 'vxlan', 'off']), 'relay', "How other nodes' containers are reached."),
  relayPorts: option(portRange(), '30000-32767', 'Ports on which this node answers for its containers.'),
  resync: option(duration(1000), '30s', 'How often the rules in the kernel are compared with what they should be.'),
  cleanupOnExit: option(flag(), false, 'Remove all rules when the agent stops. Without it they stay and keep working.'),
});

const certificate = z.strictObject({ cert: path(), key: path() }).readonly();

const proxy = section({
  http: option(list(hostPort()), [], 'Where HTTP is balanced, such as 0.0.0.0:80.'),
  https: option(list(hostPort()), [], 'Where HTTPS is balanced, such as 0.0.0.0:443.'),
  certificates: option(
    list(certificate),
    [],
    'Maps of `cert` and `key` (PEM files), chosen by SNI, reloaded on change.',
  ),
  trustedProxies: option(list(cidr()), [], 'Whose forwarding headers are believed.'),
  routes: option(
    list(z.record(z.string(), z.unknown()).readonly()),
    [],
    'Static routes, with the fields of the `fairlead.http` labels.',
  ),
});

/** Tokens stand in a header: printable ASCII without blanks (RFC 6750 §2.1 allows no more). */
const token = () => secret().regex(/^[\x21-\x7e]*$/, 'expected printable ASCII without blanks');

const admin = section(
  {
    listen: option(listen(), '127.0.0.1:7470', 'Where the API, the metrics and the console are.'),
    token: option(
      token(),
      '',
      'What clients must present. Required when `admin.listen` is neither loopback nor a socket.',
    ),
  },
  (value, refuse) => {
    const { listen, token } = value;
    if (listen.kind === 'tcp' && !isLoopback(listen.address) && token === '') {
      refuse('token', `is required, because admin.listen ${listen.address} can be reached from elsewhere`);
    }
  },
);

const log = section({
  level: option(oneOf(['debug', 'info', 'warn', 'error']), 'info', 'The least that is logged.'),
  format: option(oneOf(['auto', 'json', 'pretty']), 'auto', 'auto is pretty on a terminal, else json.'),
});

/** Every option once: where it is, its type, its default, its help. `docs/configuration.md` is made from this. */
export const configSchema = section({
  node,
  dataDir: option(
    path(),
    '/var/lib/fairlead',
    'Where the embedded registry, the secrets and the last good picture are kept.',
  ),
  registry,
  containers,
  services: option(list(z.unknown()), [], 'Static services, see below.'),
  servicesFile: option(text(), '', 'A YAML file that holds a list of the same; watched for changes.'),
  dns,
  mesh,
  proxy,
  admin,
  log,
});

/** All options, checked and read: durations in milliseconds, addresses canonical and taken apart. */
export type Config = Omit<z.output<typeof configSchema>, 'services'> & { readonly services: readonly Workload[] };
