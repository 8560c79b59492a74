import type { Clock } from '../lib/clock.ts';
import { describeError } from '../lib/errors.ts';
import type { Logger } from '../lib/logger.ts';
import { Reconciler } from '../lib/reconciler.ts';
import { type BuiltTable, buildTable } from '../model/build.ts';
import { type Claims, claimKeys } from '../model/claims.ts';
import { keepProblems } from '../model/problems.ts';
import { type EndpointId, endpointId, type Health, type Problem } from '../model/service.ts';
import type { SourceState } from '../model/source.ts';
import type { ServiceTable } from '../model/table.ts';
import { type ClaimPlan, planClaims } from './claims.ts';
import { leftHealth } from './leftovers.ts';
import { LocalSet } from './local.ts';
import type { Claim, Picture, Registry } from './registry.ts';

export interface PublisherOptions {
  readonly node: string;
  readonly registry: Registry;
  readonly vipCidr: string;
  readonly vipCidr6: string;
  /** Sources that must have been seen once before there is a first table. */
  readonly sources: readonly string[];
  readonly clock: Clock;
  readonly log: Logger;
  /** Takes each new table; `eventAt` is when the event that led to it was received (monotonic ms). */
  readonly publish: (table: ServiceTable, eventAt?: number) => void;
}

interface OwnDrain {
  readonly claim: string;
  readonly since: string;
  readonly localId: string;
}

/**
 * Where the two truths meet: what runs here (sources and checks) goes to the registry, and what the registry says of
 * all nodes comes back, and both become one table. Local changes do not wait for the registry.
 */
export class TablePublisher {
  readonly #options: PublisherOptions;
  readonly #local: LocalSet;
  readonly #waitingFor: Set<string>;
  readonly #registering: Reconciler;
  readonly #claiming: Reconciler;
  readonly #firstPicture = Promise.withResolvers<Picture>();
  #picture: Picture | undefined;
  #built: BuiltTable | undefined;
  #plan: ClaimPlan | undefined;
  #problems: readonly Problem[] = [];
  #eventAt: number | undefined;
  #drains: { readonly claims: Claims; readonly own: readonly OwnDrain[] } = { claims: new Map(), own: [] };
  #reviewing: AbortController | undefined;
  #scheduled = false;
  #hasLeft = false;
  /** Has it been tried to claim what the services want? */
  #hasClaimed = false;
  #published: ServiceTable | undefined;

  constructor(options: PublisherOptions) {
    const { node, clock, log } = options;
    this.#options = options;
    this.#local = new LocalSet({ node });
    this.#waitingFor = new Set(options.sources);
    const warn = (error: unknown, retryInMs: number, what: string) =>
      log.warn({ error: describeError(error), retryInMs: Math.round(retryInMs) }, what);
    this.#registering = new Reconciler({
      clock,
      reconcile: () => options.registry.register(this.#hasLeft ? [] : this.#local.all()),
      onError: (error, retryInMs) =>
        warn(error, retryInMs, 'registering failed; what runs here is served all the same'),
    });
    this.#claiming = new Reconciler({
      clock,
      reconcile: async (signal) => {
        await this.#claim(signal);
        this.#claimed();
      },
      onError: (error, retryInMs) => {
        warn(error, retryInMs, 'claiming addresses failed');
        this.#claimed();
      },
    });
  }

  /** The registry as it was found: what an earlier process of this node left is still in it. */
  get firstPicture(): Promise<Picture> {
    return this.#firstPicture.promise;
  }

  /** What is still missing for the first table. */
  get waitingFor(): readonly string[] {
    return [...(this.#picture === undefined ? ['registry'] : []), ...this.#waitingFor];
  }

  get local(): LocalSet {
    return this.#local;
  }

  setSource(name: string, state: SourceState): void {
    this.#waitingFor.delete(name);
    this.#local.setSource(name, state);
    this.#changed(state.eventAt);
  }

  setHealth(localId: string, health: Health, eventAt?: number): void {
    this.#local.setHealth(localId, health);
    this.#changed(eventAt);
  }

  async run(signal: AbortSignal): Promise<void> {
    await Promise.all([this.#registering.run(signal), this.#claiming.run(signal), this.#watch(signal)]);
  }

  /** Takes an endpoint out of rotation on every node until `undrain`. */
  async drain(id: EndpointId): Promise<void> {
    const since = new Date(this.#options.clock.now()).toISOString();
    await this.#options.registry.claim([new Map([[claimKeys.drain(id), since]])]);
  }

  async undrain(id: EndpointId): Promise<void> {
    const key = claimKeys.drain(id);
    const since = this.#picture?.claims.get(key);
    if (since !== undefined) await this.#options.registry.release(new Map([[key, since]]));
  }

  /**
   * Drains every endpoint of this node for as long as this process lives: one that is killed meanwhile must not find
   * itself drained. Returns how long their connections may take to end, milliseconds.
   */
  leave(): number {
    this.#local.leave();
    this.#changed();
    return this.#local.all().reduce((longest, { policy }) => Math.max(longest, policy.drainMs), 0);
  }

  /** Takes every endpoint of this node out of the registry. For the end of `leave`: no table follows. */
  async deregister(): Promise<void> {
    this.#hasLeft = true;
    await this.#options.registry.register([]);
  }

  async #watch(signal: AbortSignal): Promise<void> {
    for await (const picture of this.#options.registry.watch(signal)) {
      if (this.#picture === undefined) {
        this.#local.remember(leftHealth(picture, this.#options.node));
        this.#firstPicture.resolve(picture);
      }
      this.#picture = picture;
      this.#changed();
    }
  }

  /** Many changes in one turn of the event loop make one table. */
  #changed(eventAt?: number): void {
    this.#eventAt ??= eventAt;
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.#rebuild();
    });
  }

  #rebuild(): void {
    const picture = this.#picture;
    if (picture === undefined || this.#waitingFor.size > 0 || this.#hasLeft) return;
    const before = this.#built;
    this.#problems = keepProblems(this.#problems, [
      ...picture.problems,
      ...this.#local.problems(),
      ...(this.#plan?.problems ?? []),
    ]);
    this.#built = buildTable(
      {
        node: this.#options.node,
        rows: picture.rows,
        local: this.#local.rows(),
        claims: picture.claims,
        nodes: picture.nodes,
        problems: this.#problems,
      },
      before,
    );
    if (this.#hasClaimed) this.#publish(this.#built.table);
    // Comparing and writing takes milliseconds: first this host's own rules are on their way.
    setImmediate(() => this.#registering.trigger());
    if (
      this.#built.wanted !== before?.wanted ||
      picture.claims !== before.input.claims ||
      this.#overDrained().size > 0
    ) {
      this.#claiming.trigger();
    }
  }

  #publish(table: ServiceTable): void {
    const eventAt = this.#eventAt;
    this.#eventAt = undefined;
    if (table === this.#published) return;
    this.#published = table;
    this.#options.publish(table, eventAt);
  }

  /**
   * There is no table before the first claims are made: after the registry was lost it would have no addresses, and
   * rules that an earlier process left would go, only to come back at once.
   */
  #claimed(): void {
    if (this.#hasClaimed) return;
    this.#hasClaimed = true;
    this.#changed();
  }

  /** Drains of endpoints of this node that are gone: one that comes back under the same name must not inherit them. */
  #overDrained(): Claim {
    const claims = this.#picture?.claims ?? new Map<string, string>();
    if (this.#drains.claims !== claims) {
      const prefix = claimKeys.drain(endpointId(this.#options.node, ''));
      const own = [...claims].filter(([claim]) => claim.startsWith(prefix));
      this.#drains = {
        claims,
        own: own.map(([claim, since]) => ({ claim, since, localId: claim.slice(prefix.length) })),
      };
    }
    const over = this.#drains.own.filter(({ localId }) => !this.#local.has(localId));
    return new Map(over.map(({ claim, since }) => [claim, since]));
  }

  /** Asks the registry for the addresses and ports that the services want; the next picture brings the answer. */
  async #claim(signal: AbortSignal): Promise<void> {
    const built = this.#built;
    if (built === undefined) return;
    const { registry, vipCidr, vipCidr6, clock } = this.#options;
    const input = { services: built.wanted, claims: built.input.claims, vipCidr, vipCidr6, now: clock.now() };
    const plan = planClaims(input, this.#plan);
    const news = plan.problems !== this.#plan?.problems;
    this.#plan = plan;
    if (news) this.#changed();
    const releases = new Map([...plan.releases, ...this.#overDrained()]);
    if (releases.size > 0) await registry.release(releases);
    if (plan.claims.length > 0) await registry.claim(plan.claims);
    this.#review(plan.reviewAt, signal);
  }

  /** Looks again when a hold ends; no later than hourly, so that a clock that jumped is noticed. */
  #review(at: number, signal: AbortSignal): void {
    this.#reviewing?.abort();
    if (at === Number.POSITIVE_INFINITY) return;
    this.#reviewing = new AbortController();
    const { clock } = this.#options;
    const ms = Math.min(Math.max(at - clock.now(), 1000), HOUR_MS);
    const both = AbortSignal.any([signal, this.#reviewing.signal]);
    void clock.sleep(ms, both).then(() => {
      if (!both.aborted) this.#claiming.trigger();
    });
  }
}

const HOUR_MS = 3_600_000;
