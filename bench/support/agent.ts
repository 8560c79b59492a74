import type { ChildProcessWithoutNullStreams } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Netns } from '../../test/support/netns.ts';

/** The built program: what runs in production. */
const PROGRAM = join(import.meta.dirname, '../../dist/main.js');

/** As `npm start`, the image and the systemd unit start it. */
const NODE_FLAGS = ['--max-semi-space-size=4'];

export interface AgentOptions {
  readonly netns: Netns;
  /** `unix:///…`, or `off`. */
  readonly docker: string;
  /** The content of a services file. */
  readonly services?: string;
  /** Where its registry is kept, for an agent that finds an earlier one's; default: a folder of its own. */
  readonly dataDir?: string;
}

/** The agent as a process of its own in a network namespace, with every part at work: `await using agent = …`. */
export class AgentProcess implements AsyncDisposable {
  readonly pid: number;
  /** From the start of the process to `ready` in its log, milliseconds. */
  readonly readyMs: number;
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #folder: string;

  constructor(child: ChildProcessWithoutNullStreams, folder: string, readyMs: number) {
    this.pid = child.pid ?? 0;
    this.readyMs = readyMs;
    this.#child = child;
    this.#folder = folder;
  }

  /** Ends it; its rules stay. */
  async stop(): Promise<void> {
    if (this.#child.exitCode === null) {
      const gone = once(this.#child, 'exit');
      this.#child.kill('SIGTERM');
      await gone;
    }
    await rm(this.#folder, { recursive: true, force: true });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  /** Resident memory now, MB (10⁶ bytes). */
  async residentMb(): Promise<number> {
    const status = await readFile(`/proc/${this.pid}/status`, 'utf8');
    return (Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1]) * 1024) / 1e6;
  }

  /** Processor time used so far, user and system, milliseconds. */
  async cpuMs(): Promise<number> {
    const stat = await readFile(`/proc/${this.pid}/stat`, 'utf8');
    const [user, system] = stat
      .slice(stat.lastIndexOf(')') + 2)
      .split(' ')
      .slice(11, 13)
      .map(Number);
    // In ticks, of which Linux shows 100 a second on every architecture (USER_HZ).
    return ((user ?? 0) + (system ?? 0)) * 10;
  }

  async metrics(): Promise<string> {
    return await get(join(this.#folder, 'admin.sock'), '/metrics');
  }
}

/** Starts an agent and waits until it is ready. */
export async function startAgent({ netns, docker, services, dataDir }: AgentOptions): Promise<AgentProcess> {
  if (!existsSync(PROGRAM)) throw new Error(`${PROGRAM} is missing: npm run build`);
  const folder = await mkdtemp(join(tmpdir(), 'fairlead-bench-'));
  const config = {
    node: { name: 'n1', address: '192.168.50.1' },
    dataDir: dataDir ?? join(folder, 'data'),
    containers: { docker },
    ...(services === undefined ? {} : { servicesFile: join(folder, 'services.yaml') }),
    admin: { listen: `unix://${join(folder, 'admin.sock')}` },
    log: { format: 'json' },
  };
  // JSON is YAML.
  await writeFile(join(folder, 'config.yaml'), JSON.stringify(config));
  if (services !== undefined) await writeFile(join(folder, 'services.yaml'), services);
  const started = performance.now();
  const child = netns.spawn(process.execPath, [
    ...NODE_FLAGS,
    PROGRAM,
    'agent',
    '--config',
    join(folder, 'config.yaml'),
  ]);
  child.stderr.pipe(process.stderr);
  const logged: string[] = [];
  for await (const line of createInterface({ input: child.stdout })) {
    if (line.includes('"msg":"ready"')) {
      const agent = new AgentProcess(child, folder, performance.now() - started);
      child.stdout.resume();
      return agent;
    }
    logged.push(line);
  }
  await rm(folder, { recursive: true, force: true });
  throw new Error(`the agent ended:\n${logged.slice(-20).join('\n')}`);
}

async function get(socketPath: string, path: string): Promise<string> {
  const sent = request({ socketPath, path, agent: false });
  sent.end();
  const [response] = (await once(sent, 'response')) as [NodeJS.ReadableStream];
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks).toString();
}
