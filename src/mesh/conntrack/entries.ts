import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { FairleadError } from '../../lib/errors.ts';
import { spawnProgram } from '../../lib/exec.ts';

/** One connection as the kernel tracks it. Without translation the reply mirrors the original. */
export interface ConntrackEntry {
  readonly protocol: string;
  /** TCP's state, `ESTABLISHED`; absent for others. */
  readonly state?: string;
  readonly originalDestination: string;
  readonly originalDestinationPort: number;
  /** Who answers: the endpoint. */
  readonly replySource: string;
  readonly replySourcePort: number;
  /** Answered more than once, and so kept longer. */
  readonly assured: boolean;
  readonly mark: number;
}

const TUPLE = /src=(\S+) dst=(\S+) sport=(\d+) dport=(\d+)/g;

/** A line of `conntrack -L`; undefined for protocols without ports and for what is no entry. */
export function parseEntry(line: string): ConntrackEntry | undefined {
  const [original, reply] = [...line.matchAll(TUPLE)];
  const [protocol, , , fourth] = line.split(/\s+/, 4);
  if (original === undefined || reply === undefined || protocol === undefined || fourth === undefined) return undefined;
  const [, , originalDestination = '', , originalPort] = original;
  const [, replySource = '', , replyPort] = reply;
  return {
    protocol,
    ...(/^[A-Z]/.test(fourth) ? { state: fourth } : {}),
    originalDestination,
    originalDestinationPort: Number(originalPort),
    replySource,
    replySourcePort: Number(replyPort),
    assured: line.includes(' [ASSURED] '),
    mark: Number(/ mark=(\d+)/.exec(line)?.[1] ?? 0),
  };
}

/**
 * Reads every entry of both families, one at a time: the table may hold hundreds of thousands.
 * Throws `exec-missing` without the program, `conntrack-list` when it fails or takes more than 30 s.
 */
export async function readEntries(onEntry: (entry: ConntrackEntry) => void): Promise<void> {
  const child = spawnProgram('conntrack', ['-L']);
  const timer = setTimeout(() => child.kill('SIGKILL'), 30_000);
  const lines = createInterface({ input: child.stdout }).on('line', (line) => {
    const entry = parseEntry(line);
    if (entry !== undefined) onEntry(entry);
  });
  const read = once(lines, 'close');
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => {
    said = (said + chunk.toString()).slice(-1000);
  });
  try {
    const [code] = await once(child, 'close');
    await read;
    if (code !== 0) throw new FairleadError('conntrack-list', `conntrack -L failed: ${said.trim()}`);
  } catch (cause) {
    throw errorOf(cause);
  } finally {
    clearTimeout(timer);
  }
}

function errorOf(cause: unknown): unknown {
  if (!(cause instanceof Error) || !('code' in cause) || cause.code !== 'ENOENT') return cause;
  return new FairleadError('exec-missing', 'conntrack is not installed', { cause });
}
