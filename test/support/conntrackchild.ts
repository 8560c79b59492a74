import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { serialize } from 'node:v8';
import type { StaleFlows, Target } from '../../src/mesh/conntrack/stale.ts';
import type { Service } from '../../src/model/table.ts';
import type { Netns } from './netns.ts';

export type ConntrackOrder =
  | { readonly kind: 'clean'; readonly addresses: readonly string[]; readonly flows: readonly StaleFlows[] }
  | { readonly kind: 'audit'; readonly addresses: readonly string[]; readonly services: readonly Service[] }
  | { readonly kind: 'count'; readonly targets: readonly Target[] };

/** The conntrack code in a process inside a namespace: the tool sees the table of its process's namespace. */
export function startConntrackChild(ns: Netns) {
  const script = fileURLToPath(new URL('conntrackchild-main.ts', import.meta.url));
  const child = ns.spawn(process.execPath, [script]);
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => {
    said += chunk.toString();
  });
  return async (order: ConntrackOrder): Promise<unknown> => {
    child.stdin.write(`${serialize(order).toString('base64')}\n`);
    const answer = await lines.next();
    if (answer.done === true) throw new Error(`the child ended: ${said}`);
    const { result, error }: { result?: unknown; error?: string } = JSON.parse(answer.value);
    if (error !== undefined) throw new Error(error);
    return result;
  };
}
