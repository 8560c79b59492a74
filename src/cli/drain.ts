import { type Command, InvalidArgumentError, Option } from 'commander';
import { type DrainJson, drainJson } from '../admin/json.ts';
import { parseDuration } from '../model/duration.ts';
import { adminClient, type ClientContext, type ClientOptions, clientOptions } from './client-command.ts';
import { waitUntilDrained } from './drain-wait.ts';
import { printable } from './format.ts';

interface DrainOptions extends ClientOptions {
  readonly wait?: boolean;
  /** Milliseconds. */
  readonly timeout: number;
}

/** `fairlead drain ENDPOINT`: out of rotation everywhere; with `--wait` until it can be stopped. */
export function registerDrain(program: Command, context: ClientContext): void {
  const command = program
    .command('drain')
    .argument('<endpoint>', 'its id, the beginning of it, or the name of its container')
    .description('take an endpoint out of rotation on every node; its connections go on')
    .option('--wait', 'return when every node has confirmed and its connections are gone')
    .addOption(new Option('--timeout <duration>', 'how long to wait').argParser(duration).default(30_000, '30s'));
  clientOptions(command).action(async (text: string, { wait, timeout, ...options }: DrainOptions) => {
    const client = adminClient(options, context);
    const drained = client.decode(drainJson, await client.post(actionPath(text, 'drain')));
    context.terminal.print(drainedText(drained));
    if (!wait) return;
    await waitUntilDrained({ client, drained, timeoutMs: timeout, context });
    context.terminal.print(`${printable(drained.id)} has no connections left`);
  });
}

/** `fairlead undrain ENDPOINT`: back into rotation. */
export function registerUndrain(program: Command, context: ClientContext): void {
  const command = program
    .command('undrain')
    .argument('<endpoint>', 'its id, the beginning of it, or the name of its container')
    .description('put a drained endpoint back into rotation');
  clientOptions(command).action(async (text: string, options: ClientOptions) => {
    const client = adminClient(options, context);
    const { id } = client.decode(drainJson, await client.post(actionPath(text, 'undrain')));
    context.terminal.print(`${printable(id)} is no longer drained`);
  });
}

const actionPath = (text: string, action: 'drain' | 'undrain'): string =>
  `/v1/endpoints/${encodeURIComponent(text)}/${action}`;

const drainedText = ({ id }: DrainJson): string => `${printable(id)} is out of rotation`;

function duration(text: string): number {
  const ms = parseDuration(text);
  if (ms === undefined) throw new InvalidArgumentError('expected a duration such as 30s');
  return ms;
}
