import { type OptionInfo, options } from './options.ts';
import { unsupported } from './unsupported.ts';

/** `docs/configuration.md`, made from the schema; a test compares the two. */
export function renderReference(): string {
  const sections = Map.groupBy(options, ({ path }) => (path.length > 1 ? (path[0] ?? '') : ''));
  const tables = [...sections].map(([section, rows]) =>
    [`## ${section === '' ? 'Top level' : `\`${section}\``}`, '', ...table(rows)].join('\n'),
  );
  return `${[HEAD, ...tables, notYet(), TAIL].join('\n\n')}\n`;
}

function table(rows: readonly OptionInfo[]): readonly string[] {
  return [
    '| option | type | default | what it does |',
    '|---|---|---|---|',
    ...rows.map(
      ({ key, type, help = '', ...row }) => `| \`${key}\` | ${type} | ${defaultText(row.default)} | ${help} |`,
    ),
  ];
}

function defaultText(value: unknown): string {
  if (value === undefined) return '';
  return `\`${typeof value === 'string' && value !== '' ? value : JSON.stringify(value)}\``;
}

function notYet(): string {
  const rows = unsupported.map(({ path, values }) => {
    const only = values === undefined ? '' : `: ${values.map((value) => `\`${value}\``).join(', ')}`;
    return `- \`${path.join('.')}\`${only}`;
  });
  return ['## Not in this version', '', 'Asking for one of these is an error:', '', ...rows].join('\n');
}

const HEAD = `# Configuration

<!-- Made by scripts/reference.mjs from src/config/schema.ts; change it there. -->

\`fairlead agent --config FILE\` reads YAML (JSON is YAML). Every key is optional. An option is taken from, in this order:

1. \`--set dns.domain=corp.internal\` on the command line,
2. the environment: \`FAIRLEAD_\` and the option in capitals, a \`_\` for each dot and before each inner capital
   (\`dns.listen\` is \`FAIRLEAD_DNS_LISTEN\`, \`mesh.vipCidr\` is \`FAIRLEAD_MESH_VIP_CIDR\`),
3. the file,
4. the default.

In the first two, the items of a list are separated by commas, and maps are written as YAML on one line.
An unknown key is an error, and so is a variable that is nearly one of these. \`fairlead check-config\` prints every
error at once, with its line. Durations are written \`500ms\`, \`5s\`, \`10m\`, \`3h\`.`;

const TAIL = `## Static services

An entry of \`services\`, or of the list that \`servicesFile\` holds:

\`\`\`yaml
- name: web
  stack: shop                # optional
  ports: [{ name: http, port: 80, protocol: tcp, publish: 8080 }]
  affinity: none             # none | client-ip | client-ip:3h
  traffic: cluster           # cluster | prefer-local | local
  schedule: random           # random | source-hash
  vip: auto                  # auto | none | a fixed address in mesh.vipCidr
  drain: 10s
  endpoints:
    - id: web-1
      address: 10.1.1.2
      port: 3000             # or a map from port name to number
      weight: 1              # 0 to 256
      relay: auto            # auto | always | never
      check: { http: /healthz, interval: 2s, timeout: 1s, rise: 2, fall: 3 }
\`\`\`

The values above are the defaults; \`name\`, \`ports\`, and an endpoint's \`id\`, \`address\` and \`port\` have none. A port
without \`name\` is called by its number. A check is one of \`http: PATH\`, \`tcp: true\` and \`exec: [PROGRAM, ARGUMENT, …]\`,
which passes with exit code 0 and fails with any other; only of Registrator's \`SERVICE_CHECK_SCRIPT\` and
\`SERVICE_CHECK_CMD\` exit code 1 is a warning, as in Consul, and the endpoint stays in rotation. Without a check
an endpoint is healthy while it stands in the file. \`http\` (\`host\`, \`path\`, \`priority\`, \`sticky\`) declares a
route for the L7 balancer. An \`id\` is unique on a host.

A mistake in \`services\` is an error of the configuration. A mistake in \`servicesFile\` concerns that service only: it is
reported, and the service stays as it was; a file that cannot be read, or is no list, leaves everything as it was. Replace
the file in one step (write another one, then rename it): a list that is half written may be a valid one.`;
