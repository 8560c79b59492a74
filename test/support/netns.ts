import type { ChildProcessWithoutNullStreams } from 'node:child_process';
import { once } from 'node:events';
import { type ExecOptions, type ExecResult, exec, execOk, spawnProgram } from '../../src/lib/exec.ts';

/** Names tell the test process, so that what a killed run left behind is known as such. */
const PREFIX = 'fl';
let counter = 0;

/**
 * A network namespace of its own, with loopback up and nothing else. Everything started in it ends with it:
 * `await using ns = await createNetns('client')`, or `afterAll(() => ns.remove())`.
 */
export class Netns implements AsyncDisposable {
  readonly name: string;
  readonly #children = new Set<ChildProcessWithoutNullStreams>();

  constructor(name: string) {
    this.name = name;
  }

  /** The argument vector that runs `program` in here; the process id stays that of the program. */
  command(program: string, args: readonly string[]): readonly [program: string, args: readonly string[]] {
    return ['ip', ['netns', 'exec', this.name, program, ...args]];
  }

  /** Runs a program inside and resolves with whatever exit code. */
  async exec(program: string, args: readonly string[], options?: ExecOptions): Promise<ExecResult> {
    return await exec(...this.command(program, args), options);
  }

  /** Runs a program inside that must succeed; resolves with its output. */
  async run(program: string, ...args: readonly string[]): Promise<string> {
    return (await execOk(...this.command(program, args))).stdout;
  }

  /** Feeds a script to a program inside (`nft -f -`, `iptables-restore`) that must succeed. */
  async feed(stdin: string, program: string, ...args: readonly string[]): Promise<string> {
    return (await execOk(...this.command(program, args), { stdin })).stdout;
  }

  /** `ip -n NAME …` with the words of one line: `ns.ip('addr add 10.1.0.1/24 dev br0')`. */
  async ip(line: string): Promise<string> {
    return (await execOk('ip', ['-n', this.name, ...line.split(' ')])).stdout;
  }

  /** Sets kernel parameters of this namespace only: `{'net.ipv4.ip_forward': 1}`. */
  async sysctl(values: Readonly<Record<string, number | string>>): Promise<void> {
    await this.run('sysctl', '-q', '-w', ...Object.entries(values).map(([key, value]) => `${key}=${value}`));
  }

  /** Starts a program inside that is killed when the namespace is removed. */
  spawn(program: string, args: readonly string[]): ChildProcessWithoutNullStreams {
    const child = spawnProgram(...this.command(program, args));
    this.#children.add(child);
    child.once('exit', () => this.#children.delete(child));
    return child;
  }

  async remove(): Promise<void> {
    await Promise.all(
      [...this.#children].map(async (child) => {
        const gone = once(child, 'exit');
        child.kill('SIGKILL');
        await gone;
      }),
    );
    await exec('ip', ['netns', 'del', this.name]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.remove();
  }
}

/** Makes a namespace; `label` (a few letters) only helps people to read `ip netns`. */
export async function createNetns(label = 'ns'): Promise<Netns> {
  await removeOrphans();
  counter += 1;
  const ns = new Netns(`${PREFIX}-${process.pid}-${counter}-${label}`);
  await execOk('ip', ['netns', 'add', ns.name]);
  await ns.ip('link set lo up');
  // Link-local addresses, too, are usable at once.
  await ns.sysctl({ 'net.ipv6.conf.default.accept_dad': 0 });
  return ns;
}

/** Removes namespaces whose test process is gone. */
async function removeOrphans(): Promise<void> {
  if (counter > 0) return;
  const { stdout } = await execOk('ip', ['netns', 'list']);
  for (const [, name, pid] of stdout.matchAll(new RegExp(`^(${PREFIX}-(\\d+)-\\S+)`, 'gm'))) {
    if (name !== undefined && !isAlive(Number(pid))) await exec('ip', ['netns', 'del', name]);
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** One end of a cable: an interface name inside a namespace, with its addresses (`10.1.0.2/24`, `fd00:1::2/64`). */
export interface End {
  readonly ns: Netns;
  readonly device: string;
  readonly addresses?: readonly string[];
  /** The bridge of `ns` to attach to instead of standing alone. */
  readonly bridge?: string;
  /** Where everything else goes from here. */
  readonly gateways?: readonly string[];
}

/** Connects two namespaces with a veth pair and brings both ends up. */
export async function connect(a: End, b: End): Promise<void> {
  const peer = ['peer', 'name', b.device, 'netns', b.ns.name];
  await execOk('ip', ['link', 'add', a.device, 'netns', a.ns.name, 'type', 'veth', ...peer]);
  for (const end of [a, b]) {
    if (end.bridge !== undefined) await end.ns.ip(`link set ${end.device} master ${end.bridge}`);
    await end.ns.ip(`link set ${end.device} up`);
  }
  for (const end of [a, b]) {
    for (const address of end.addresses ?? []) await addAddress(end.ns, end.device, address);
    for (const gateway of end.gateways ?? []) await end.ns.ip(`route add default via ${gateway}`);
  }
}

/** A bridge in `ns` with its addresses, up; containers attach with `connect({…}, {ns, device, bridge: name})`. */
export async function addBridge(ns: Netns, name: string, addresses: readonly string[]): Promise<void> {
  // Snooping holds back neighbour solicitations until the first MLD report, a second or so.
  await ns.ip(`link add ${name} type bridge forward_delay 0 mcast_snooping 0`);
  await ns.ip(`link set ${name} up`);
  for (const address of addresses) await addAddress(ns, name, address);
}

/** IPv6 addresses are usable at once: no duplicate detection, which takes a second. */
async function addAddress(ns: Netns, device: string, address: string): Promise<void> {
  await ns.ip(`addr add ${address} dev ${device}${address.includes(':') ? ' nodad' : ''}`);
}
