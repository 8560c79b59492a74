// Asks the DNS server of its network namespace until the answer is as wanted, and prints when that was.
import { Resolver } from 'node:dns/promises';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import type { DnsWanted } from './dns-watch.ts';
import { now } from './now.ts';

const resolver = new Resolver({ timeout: 1000, tries: 3 });
resolver.setServers(['127.0.0.1:53']);

for await (const line of createInterface({ input: process.stdin })) {
  const { name, address, present } = JSON.parse(line) as DnsWanted;
  // A millisecond between questions: to ask without pause would take the processor away from those who are measured.
  while ((await addresses(name)).includes(address) !== present) await delay(1);
  process.stdout.write(`${now()}\n`);
}

async function addresses(name: string): Promise<readonly string[]> {
  try {
    return await resolver.resolve4(name);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code === 'ENODATA' || code === 'ENOTFOUND') return [];
    throw error;
  }
}
