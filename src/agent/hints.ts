import type { Config } from '../config/schema.ts';
import type { ServiceTable } from '../model/table.ts';

export interface HintsInput {
  readonly config: Config;
  readonly table: ServiceTable;
  /** Of the container bridges. */
  readonly gateways: readonly string[];
  /** Does the mesh work? */
  readonly mesh: boolean;
}

/** What somebody who has just started the demo can try, as lines to print. */
export function hints({ config, table, gateways, mesh }: HintsInput): readonly string[] {
  const hello = table.services.get('hello');
  const [dns] = config.dns.listen;
  const at = dns === undefined ? '' : `@${dns.address}${dns.port === 53 ? '' : ` -p ${dns.port}`}`;
  const publish = hello?.ports[0]?.publish;
  const admin =
    config.admin.listen.kind === 'tcp' ? `http://${config.admin.listen.address}:${config.admin.listen.port}` : '';
  const gateway = gateways[0];
  const lines: readonly (readonly [command: string, what: string] | undefined)[] = [
    [`dig ${at} hello +short`, "the demo service's virtual address"],
    [`dig ${at} tasks.hello +short`, 'its healthy endpoints'],
    hello?.vip === undefined || !mesh
      ? undefined
      : [`curl http://${hello.vip}/`, 'its three endpoints share the connections'],
    publish === undefined || !mesh
      ? undefined
      : [`curl http://127.0.0.1:${publish}/`, 'its published port, on every local address'],
    gateway === undefined ? undefined : [`docker run --rm --dns ${gateway} busybox nslookup hello`, 'from a container'],
    admin === '' ? undefined : [`curl -s ${admin}/metrics | grep ^fairlead_`, 'what it measures'],
    ['npx fairlead status', 'also: services, resolve hello, mesh plan'],
  ];
  const shown = lines.filter((line) => line !== undefined);
  const width = Math.max(...shown.map(([command]) => command.length));
  return [
    '',
    'fairlead is ready. Try in another terminal:',
    '',
    ...shown.map(([command, what]) => `  ${command.padEnd(width)}  # ${what}`),
    '',
  ];
}
