import { createInterface } from 'node:readline';
import { deserialize } from 'node:v8';
import { describeError } from '../../src/lib/errors.ts';
import { silentLogger } from '../../src/lib/logger.ts';
import { ConntrackCleaner } from '../../src/mesh/conntrack/cleaner.ts';
import { countConnections } from '../../src/mesh/conntrack/connections.ts';
import type { ConntrackOrder } from './conntrackchild.ts';

let addresses: readonly string[] = [];
const cleaner = new ConntrackCleaner({ log: silentLogger, addresses: () => addresses });

async function answer(order: ConntrackOrder): Promise<unknown> {
  if (order.kind === 'count') return [...(await countConnections(order.targets))];
  addresses = order.addresses;
  return order.kind === 'clean' ? await cleaner.clean(order.flows) : await cleaner.audit(order.services);
}

for await (const line of createInterface({ input: process.stdin })) {
  try {
    const result = await answer(deserialize(Buffer.from(line, 'base64')));
    process.stdout.write(`${JSON.stringify({ result })}\n`);
  } catch (error) {
    process.stdout.write(`${JSON.stringify({ error: describeError(error) })}\n`);
  }
}
