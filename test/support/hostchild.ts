import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Netns } from './netns.ts';

export interface HostChildOptions {
  readonly dataDir: string;
  readonly vipCidr: string;
  readonly vipCidr6?: string;
}

export interface HostAnswer {
  readonly error?: string;
  readonly repairs?: number;
  readonly warnings?: readonly string[];
}

/**
 * The mesh's host part in a process of its own inside a namespace, as kernel parameters are those of the process that
 * reads them. Each order is one line in, one line out.
 */
export function startHostChild(ns: Netns, options: HostChildOptions) {
  const script = fileURLToPath(new URL('hostchild-main.ts', import.meta.url));
  const child = ns.spawn(process.execPath, [script, JSON.stringify(options)]);
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => {
    said += chunk.toString();
  });
  return {
    /** `apply`, `cleanup`, or `cleanupHost`. */
    async order(name: string): Promise<HostAnswer> {
      child.stdin.write(`${name}\n`);
      const answer = await lines.next();
      if (answer.done === true) throw new Error(`the child ended: ${said}`);
      return JSON.parse(answer.value);
    },
    send(name: string): void {
      child.stdin.write(`${name}\n`);
    },
    async kill(): Promise<void> {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const gone = once(child, 'exit');
      child.kill('SIGKILL');
      await gone;
    },
  };
}

export type HostChild = ReturnType<typeof startHostChild>;
