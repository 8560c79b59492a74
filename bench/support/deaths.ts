import { request } from 'node:http';
import { createInterface } from 'node:readline';
import { type EngineControl, textField } from '../../test/support/engine-control.ts';
import { eventually } from '../../test/support/eventually.ts';
import type { Netns } from '../../test/support/netns.ts';
import { DnsWatch } from './dns-watch.ts';
import { now } from './now.ts';
import { RuleWatch } from './rule-watch.ts';

export interface DeathOptions {
  readonly id: string;
  readonly service: string;
  /** Its process is killed behind Docker's back, or Docker is asked to. */
  readonly how: 'process killed' | 'docker kill';
}

/** When a container's end was where; milliseconds since the epoch. */
export interface Death {
  readonly killedAt: number;
  /** The first event of Docker that tells of it, as Docker dated it: `die`, or the `kill` that precedes it. */
  readonly eventAt: number;
  readonly rulesAt: number;
  readonly dnsAt: number;
}

/** Kills containers one after another, each started again, and sees how rules and DNS of the host follow. */
export class Deaths implements AsyncDisposable {
  readonly #engine: EngineControl;
  readonly #rules: RuleWatch;
  readonly #dns: DnsWatch;
  readonly #events: EventTimes;

  constructor({ netns, engine }: { readonly netns: Netns; readonly engine: EngineControl }) {
    this.#engine = engine;
    this.#rules = new RuleWatch(netns);
    this.#dns = new DnsWatch(netns);
    this.#events = new EventTimes(engine.socket);
  }

  /** One death; resolves when the container is back everywhere. */
  async one({ id, service, how }: DeathOptions): Promise<Death> {
    const name = `tasks.${service}.fairlead.internal`;
    const inspected = await this.#engine.api('GET', `/containers/${id}/json`);
    const address = await this.#engine.addressOf(id);
    await this.#dns.until({ name, address, present: true });
    await this.#rules.ready();
    await this.#rules.quiet();
    this.#events.forget(id);
    const rules = this.#rules.next('delete', address);
    const dns = this.#dns.until({ name, address, present: false });
    const killedAt = now();
    if (how === 'docker kill') await this.#engine.api('POST', `/containers/${id}/kill?signal=SIGKILL`);
    else process.kill(pidOf(inspected), 'SIGKILL');
    const [rulesAt, dnsAt] = await Promise.all([rules, dns]);
    const eventAt = await eventually('event', () => this.#events.of(id), 10_000);
    await eventually('stopped', () => this.#isStopped(id), 10_000);
    await this.#engine.api('POST', `/containers/${id}/start`);
    await this.#dns.until({ name, address: await this.#engine.addressOf(id), present: true });
    return { killedAt, eventAt, rulesAt, dnsAt };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#events.close();
    await Promise.all([this.#rules[Symbol.asyncDispose](), this.#dns[Symbol.asyncDispose]()]);
  }

  async #isStopped(id: string): Promise<boolean> {
    return textField(await this.#engine.api('GET', `/containers/${id}/json`), 'State', 'Status') === 'exited';
  }
}

function pidOf(inspected: unknown): number {
  const { State } = inspected as { readonly State: { readonly Pid: number } };
  // 0 would be this process and all of its group.
  if (!(State.Pid > 1)) throw new Error('the container does not run');
  return State.Pid;
}

/** The first `kill` or `die` of each container, by Docker's own clock. */
class EventTimes {
  readonly #at = new Map<string, number>();
  readonly #request;

  constructor(socketPath: string) {
    const filters = JSON.stringify({ type: ['container'], event: ['kill', 'die'] });
    const path = `/events?${new URLSearchParams({ filters })}`;
    this.#request = request({ socketPath, path, agent: false }, (response) => {
      createInterface({ input: response })
        .on('line', (line) => this.#read(line))
        .on('error', () => {});
    });
    this.#request.on('error', () => {});
    this.#request.end();
  }

  of(id: string): number | undefined {
    return this.#at.get(id);
  }

  forget(id: string): void {
    this.#at.delete(id);
  }

  close(): void {
    this.#request.destroy();
  }

  #read(line: string): void {
    const nano = BigInt(/"timeNano":(\d+)/.exec(line)?.[1] ?? 0);
    const id = textField(JSON.parse(line), 'Actor', 'ID');
    if (!this.#at.has(id)) this.#at.set(id, Number(nano / 1000n) / 1000);
  }
}
