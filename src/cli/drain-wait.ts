import { z } from 'zod';
import { type DrainJson, endpointDetailJson, type NodeJson, nodeJson } from '../admin/json.ts';
import { errorCode, FairleadError } from '../lib/errors.ts';
import { formatDuration } from '../model/duration.ts';
import type { AdminClient } from './client.ts';
import type { ClientContext } from './client-command.ts';
import { counted, printable } from './format.ts';

export interface DrainWait {
  readonly client: AdminClient;
  readonly drained: DrainJson;
  readonly timeoutMs: number;
  readonly context: ClientContext;
}

/** Connections are counted on request, there is no event to wait for. */
const POLL_MS = 250;

/**
 * Returns when every node has applied the drain and the endpoint's connections are gone, or the endpoint itself is.
 * A node that is down is not waited for, but named. Throws `drain-timeout`; the endpoint stays drained.
 */
export async function waitUntilDrained({ client, drained, timeoutMs, context }: DrainWait): Promise<void> {
  const { clock, terminal } = context;
  const deadline = clock.monotonic() + timeoutMs;
  let told = '';
  for (;;) {
    const nodes = client.decode(z.array(nodeJson).readonly(), await client.get('/v1/nodes'));
    const missing = missingFor(drained, nodes, await connectionsOf(client, drained.id));
    if (missing.length === 0) {
      const down = nodes.filter((node) => node.state !== 'passing');
      for (const { name } of down) terminal.note(`${printable(name)} is down and was not waited for`);
      return;
    }
    const now = missing.join(', ');
    if (clock.monotonic() >= deadline) {
      throw new FairleadError('drain-timeout', `${printable(drained.id)} after ${formatDuration(timeoutMs)}: ${now}`, {
        remedy: 'it stays out of rotation; wait again, stop it anyway, or undrain it',
      });
    }
    if (now !== told) terminal.note(now);
    told = now;
    await clock.sleep(POLL_MS);
  }
}

/** What has still to happen, a phrase each. */
function missingFor({ revision }: DrainJson, nodes: readonly NodeJson[], connections: number): readonly string[] {
  const unconfirmed = nodes.filter((node) => node.state === 'passing' && node.revision < revision);
  return [
    ...unconfirmed.map(({ name }) => `${printable(name)} has not confirmed`),
    ...(connections === 0 ? [] : [counted(connections, 'connection')]),
  ];
}

/** An endpoint that is gone has no connections. */
async function connectionsOf(client: AdminClient, id: string): Promise<number> {
  try {
    const path = `/v1/endpoints/${encodeURIComponent(id)}`;
    const found = client.decode(endpointDetailJson, await client.get(path));
    // The id of one that is gone may be the beginning of others.
    if (found.id !== id) return 0;
    if (found.connections !== null) return found.connections;
  } catch (error) {
    if (['unknown-endpoint', 'ambiguous-endpoint'].includes(errorCode(error) ?? '')) return 0;
    throw error;
  }
  const remedy = 'the agent counts them with conntrack; `fairlead doctor` says what is missing';
  throw new FairleadError('connections-unknown', 'the connections cannot be counted', { remedy });
}
