import type { Command } from 'commander';
import { type ResolveJson, resolveJson } from '../admin/json.ts';
import { adminClient, type ClientContext, type ClientOptions, clientOptions } from './client-command.ts';
import { formatFields, formatTable } from './format.ts';

interface ResolveOptions extends ClientOptions {
  readonly from?: string;
  readonly json?: boolean;
}

/** `fairlead resolve NAME [TYPE]`: what the agent's DNS answers, and why. */
export function register(program: Command, context: ClientContext): void {
  const command = program
    .command('resolve')
    .argument('<name>', 'as a client would ask it')
    .argument('[type]', 'record type', 'A')
    .description("show what the agent's DNS answers, and why")
    .option('--from <address>', 'as the client at this address sees it (default: this host)')
    .option('--json', 'as JSON');
  clientOptions(command).action(async (name: string, type: string, { from, json, ...options }: ResolveOptions) => {
    const client = adminClient(options, context);
    const query = new URLSearchParams({ name, type, ...(from === undefined ? {} : { from }) });
    const body = await client.get(`/v1/resolve?${query}`);
    const answer = client.decode(resolveJson, body);
    const { terminal } = context;
    if (json) terminal.printJson(body);
    else terminal.print(resolveView(answer, terminal.hasColour));
  });
}

function resolveView(answer: ResolveJson, hasColour: boolean): string {
  const { rcode, answers, authority, additional, filtered } = answer;
  const asked = `${answer.name} ${answer.type} from ${answer.from}`;
  const fields = formatFields(
    [
      ['Asked', answer.stack === null ? asked : `${asked} (stack ${answer.stack})`],
      ['Answer', { text: rcode, colour: rcode === 'NOERROR' ? 'green' : 'red' }],
      ['By', answer.handler],
      ['Why', answer.reason],
    ],
    hasColour,
  );
  const sections = [
    records('ANSWER', answers, hasColour),
    records('AUTHORITY', authority, hasColour),
    records('ADDITIONAL', additional, hasColour),
    leftOut(filtered, hasColour),
  ];
  return [fields, ...sections.filter((section) => section !== undefined)].join('\n\n');
}

function records(title: string, shown: ResolveJson['answers'], hasColour: boolean): string | undefined {
  if (shown.length === 0) return undefined;
  const rows = shown.map(({ name, ttl, type, data }) => [name, ttl, type, data]);
  return formatTable({ head: [title, 'TTL', 'TYPE', 'DATA'], rows }, hasColour);
}

function leftOut(filtered: ResolveJson['filtered'], hasColour: boolean): string | undefined {
  if (filtered.length === 0) return undefined;
  const rows = filtered.map(({ endpoint, service, reason }) => [endpoint, service, reason]);
  return formatTable({ head: ['LEFT OUT', 'SERVICE', 'WHY'], rows }, hasColour);
}
