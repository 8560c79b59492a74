import { type Claims, claimKeys } from '../model/claims.ts';
import { keepProblems } from '../model/problems.ts';
import type { Problem, ServiceKey, ServicePolicy } from '../model/service.ts';
import { type PublishedPort, publishedPort } from '../model/table.ts';
import { offsetOf, parseVipRange } from '../model/vip.ts';
import { samePorts } from './diff.ts';
import type { Claim } from './registry.ts';
import { planVips, releaseService, releaseVip } from './vipClaims.ts';

export interface ClaimsInput {
  /** Every service with at least one endpoint in any state, on any node, as declared. */
  readonly services: ReadonlyMap<ServiceKey, { readonly policy: Pick<ServicePolicy, 'vip' | 'ports'> }>;
  readonly claims: Claims;
  /** `10.96.0.0/16` */
  readonly vipCidr: string;
  /** `fd00:f1::/112`; empty for none. */
  readonly vipCidr6: string;
  /** Wall time, milliseconds since the epoch. */
  readonly now: number;
}

/** What to ask of the registry: first the releases, then the claims. A lost claim is planned anew with the next picture. */
export interface ClaimPlan {
  readonly claims: readonly Claim[];
  readonly releases: Claim;
  readonly problems: readonly Problem[];
  /** When time alone changes the plan: the end of the first hold, milliseconds since the epoch; else infinite. */
  readonly reviewAt: number;
  readonly input: ClaimsInput;
}

/** A plan being written. */
export interface ClaimsDraft {
  readonly claims: Claim[];
  readonly releases: Map<string, string>;
  readonly problems: Problem[];
  reviewAt: number;
}

/** How long a service that lost its last endpoint keeps its address: clients may have it cached. */
export const VIP_HOLD_MS = 24 * 3_600_000;

/**
 * How late a running agent may notice that the hold is over. An idle mark older than that was not watched all the
 * while: the agents were down, or a clock jumped. Then the hold starts again rather than end too early.
 */
const NOTICE_MS = 3_600_000;

/**
 * The claims that make addresses and published ports what the services ask for. Pure; an agreed state plans nothing.
 * `previous` only saves work: it comes back itself where nothing it was made from has changed.
 */
export function planClaims(input: ClaimsInput, previous?: ClaimPlan): ClaimPlan {
  if (previous !== undefined && stillHolds(previous, input)) return previous;
  const draft: ClaimsDraft = { claims: [], releases: new Map(), problems: [], reviewAt: Number.POSITIVE_INFINITY };
  planReleases(input, draft);
  for (const cidr of [input.vipCidr, input.vipCidr6]) {
    const range = parseVipRange(cidr);
    if (range !== undefined) planVips(input, range, draft);
  }
  planPorts(input, draft);
  const problems = keepProblems(previous?.problems ?? [], draft.problems);
  return { ...draft, problems, input };
}

function stillHolds({ input: before, reviewAt }: ClaimPlan, input: ClaimsInput): boolean {
  if (
    before.claims !== input.claims ||
    before.vipCidr !== input.vipCidr ||
    before.vipCidr6 !== input.vipCidr6 ||
    before.services.size !== input.services.size ||
    input.now < before.now ||
    input.now >= reviewAt
  ) {
    return false;
  }
  for (const [key, { policy }] of input.services) {
    const known = before.services.get(key)?.policy;
    if (known === undefined || known.vip !== policy.vip || !samePorts(known.ports, policy.ports)) return false;
  }
  return true;
}

const VIP_NAME = claimKeys.vipOfService('');
const VIP6_NAME = claimKeys.vip6OfService('');
const VIP_ADDRESS = claimKeys.serviceOfVip('');
const VIP_IDLE = claimKeys.vipIdle('');
const PORT = 'port/';

const after = (claim: string, prefix: string): string | undefined =>
  claim.startsWith(prefix) ? claim.slice(prefix.length) : undefined;

/**
 * Looks at every claim there is: whose service is gone, idle, or no longer asks for it. An idle address that the range,
 * once changed, does not have to give is not held: it may be somebody else's by now.
 */
function planReleases(input: ClaimsInput, draft: ClaimsDraft): void {
  const { services, claims, vipCidr, vipCidr6 } = input;
  const [range4, range6] = [parseVipRange(vipCidr), parseVipRange(vipCidr6)];
  const idle = new Set<ServiceKey>();
  for (const [claim, value] of claims) {
    const named = after(claim, VIP_NAME) ?? after(claim, VIP6_NAME);
    if (named !== undefined) {
      const range = claim.startsWith(VIP6_NAME) ? range6 : range4;
      const unwanted = services.get(named)?.policy.vip === 'none' || (vipCidr6 === '' && claim.startsWith(VIP6_NAME));
      const outside = range !== undefined && offsetOf(range, value) === undefined;
      if (unwanted || (outside && !services.has(named))) releaseVip(claims, claim, named, draft);
      else if (!services.has(named)) idle.add(named);
      continue;
    }
    const stale =
      isOrphan(after(claim, VIP_ADDRESS), value, claims) ||
      isOverIdle(after(claim, VIP_IDLE), input) ||
      isUnpublished(after(claim, PORT), services.get(value)?.policy);
    if (stale) draft.releases.set(claim, value);
  }
  for (const key of idle) planIdle(key, input, draft);
}

function planIdle(key: ServiceKey, { claims, now }: ClaimsInput, draft: ClaimsDraft): void {
  const claim = claimKeys.vipIdle(key);
  const since = claims.get(claim);
  const idleMs = now - Date.parse(since ?? '');
  if (idleMs >= VIP_HOLD_MS && idleMs <= VIP_HOLD_MS + NOTICE_MS) releaseService(claims, key, draft);
  else if (idleMs >= 0 && idleMs < VIP_HOLD_MS) draft.reviewAt = Math.min(draft.reviewAt, now - idleMs + VIP_HOLD_MS);
  else {
    if (since !== undefined) draft.releases.set(claim, since);
    draft.claims.push(new Map([[claim, new Date(now).toISOString()]]));
  }
}

/** Is this the address of a service that has another, or none? */
const isOrphan = (address: string | undefined, key: ServiceKey, claims: Claims): boolean =>
  address !== undefined &&
  claims.get(claimKeys.vipOfService(key)) !== address &&
  claims.get(claimKeys.vip6OfService(key)) !== address;

/** Is this the idle mark of a service that has endpoints again, or no address to hold? */
const isOverIdle = (key: ServiceKey | undefined, { services, claims }: ClaimsInput): boolean =>
  key !== undefined &&
  (services.has(key) || !(claims.has(claimKeys.vipOfService(key)) || claims.has(claimKeys.vip6OfService(key))));

/** Is this a port that its holder no longer asks for? */
const isUnpublished = (port: string | undefined, policy: Pick<ServicePolicy, 'ports'> | undefined): boolean =>
  port !== undefined &&
  !policy?.ports.some(({ protocol, publish }) => publish !== undefined && port === publishedPort(protocol, publish));

/** A published port belongs to who held it first; of those who ask at once, to the first by name. */
function planPorts({ services, claims }: ClaimsInput, draft: ClaimsDraft): void {
  const wanted = new Map<PublishedPort, { readonly claim: string; readonly by: Set<ServiceKey> }>();
  for (const [key, { policy }] of services) {
    for (const { protocol, publish } of policy.ports) {
      if (publish === undefined) continue;
      const port = publishedPort(protocol, publish);
      const entry = wanted.get(port) ?? { claim: claimKeys.published(protocol, publish), by: new Set() };
      wanted.set(port, entry);
      entry.by.add(key);
    }
  }
  for (const [port, { claim, by }] of wanted) {
    const holder = claims.get(claim);
    const [first, ...others] = [...by].sort();
    if (first === undefined) continue;
    const owner = holder !== undefined && by.has(holder) ? holder : first;
    if (owner !== holder) draft.claims.push(new Map([[claim, owner]]));
    for (const key of [first, ...others]) if (key !== owner) draft.problems.push(portConflict(port, key, owner));
  }
}

const portConflict = (port: PublishedPort, key: ServiceKey, owner: ServiceKey): Problem => ({
  code: 'port-conflict',
  subject: port,
  message: `service ${key} asks to publish it, but service ${owner} does already; give one of them another port`,
});
