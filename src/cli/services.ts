import type { Command } from 'commander';
import { z } from 'zod';
import { type ServiceJson, serviceJson, tableEventJson } from '../admin/json.ts';
import { FairleadError } from '../lib/errors.ts';
import type { AdminClient } from './client.ts';
import { adminClient, type ClientContext, type ClientOptions, clientOptions } from './client-command.ts';
import { keyOf, serviceDetail, servicesTable } from './service-view.ts';

interface ServicesOptions extends ClientOptions {
  readonly json?: boolean;
  readonly watch?: boolean;
}

/** `fairlead services [NAME]`: all services, or those of a name with their endpoints; once, or at every change. */
export function register(program: Command, context: ClientContext): void {
  const command = program
    .command('services')
    .argument('[name]', 'a service, as web or web.shop')
    .description('list the services, or show one with its endpoints')
    .option('--json', 'as JSON; with --watch one change a line')
    .option('-w, --watch', 'go on and show every change');
  clientOptions(command).action(
    async (name: string | undefined, { json = false, watch = false, ...options }: ServicesOptions) => {
      const client = adminClient(options, context);
      if (watch) await follow(client, { name, json, context });
      else await list(client, { name, json, context });
    },
  );
}

interface View {
  readonly name: string | undefined;
  readonly json: boolean;
  readonly context: ClientContext;
}

async function list(client: AdminClient, view: View): Promise<void> {
  const { name, json, context } = view;
  const body = await client.get(name === undefined ? '/v1/services' : `/v1/services/${encodeURIComponent(name)}`);
  const services = client.decode(z.array(serviceJson).readonly(), body);
  if (json) context.terminal.printJson(body);
  else show(services, view);
}

/** Ends with an error when the agent does: a picture that no longer changes must not look like a live one. */
async function follow(client: AdminClient, view: View): Promise<void> {
  const { name, json, context } = view;
  const current = new Map<string, ServiceJson>();
  let first = true;
  for await (const event of client.events('/v1/events')) {
    const { changed, removed, revision } = client.decode(tableEventJson, event);
    const relevant = changed.filter((service) => isNamed(service, name));
    const gone = removed.filter((key) => name === undefined || current.has(key));
    if (!first && relevant.length === 0 && gone.length === 0) continue;
    for (const service of relevant) current.set(keyOf(service), service);
    for (const key of gone) current.delete(key);
    if (json) context.terminal.print(JSON.stringify({ revision, changed: relevant, removed: gone }));
    else {
      if (!first) context.terminal.nextPicture();
      show([...current.values()], view);
    }
    first = false;
  }
  throw new FairleadError('agent-unreachable', 'the agent has ended the connection');
}

function isNamed(service: ServiceJson, name: string | undefined): boolean {
  const wanted = name?.toLowerCase();
  return wanted === undefined || service.name === wanted || keyOf(service) === wanted;
}

function show(services: readonly ServiceJson[], { name, context: { terminal } }: View): void {
  const sorted = services.toSorted((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1));
  if (name === undefined || sorted.length === 0) terminal.print(servicesTable(sorted, terminal.hasColour));
  else terminal.print(sorted.map((service) => serviceDetail(service, terminal.hasColour)).join('\n\n'));
}
