import { type Claims, claimKeys } from '../model/claims.ts';
import type { Problem, ServiceKey, ServicePolicy } from '../model/service.ts';
import { type PublishedPort, publishedPort } from '../model/table.ts';
import { parseVipRange } from '../model/vip.ts';
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
}

/** A plan being written. */
export interface ClaimsDraft {
  readonly claims: Claim[];
  readonly releases: Map<string, string>;
  readonly problems: Problem[];
}

/** How long a service that lost its last endpoint keeps its address: clients may have it cached. */
export const VIP_HOLD_MS = 24 * 3_600_000;

/**
 * How late a running agent may notice that the hold is over. An idle mark older than that was not watched all the
 * while: the agents were down, or a clock jumped. Then the hold starts again rather than end too early.
 */
const NOTICE_MS = 3_600_000;

/** The claims that make addresses and published ports what the services ask for. Pure; an agreed state plans nothing. */
export function planClaims(input: ClaimsInput): ClaimPlan {
  const draft: ClaimsDraft = { claims: [], releases: new Map(), problems: [] };
  planReleases(input, draft);
  for (const cidr of [input.vipCidr, input.vipCidr6]) {
    const range = parseVipRange(cidr);
    if (range !== undefined) planVips(input, range, draft);
  }
  planPorts(input, draft);
  return draft;
}

/** Looks at every claim there is: whose service is gone, idle, or no longer asks for it. */
function planReleases(input: ClaimsInput, draft: ClaimsDraft): void {
  const { services, claims, vipCidr6 } = input;
  const idle = new Set<ServiceKey>();
  for (const [claim, value] of claims) {
    const [, kind, rest = ''] = /^(vip\/name|vip6\/name|vip\/addr|vip\/idle|port)\/(.*)$/s.exec(claim) ?? [];
    switch (kind) {
      case 'vip/name':
      case 'vip6/name': {
        const unwanted = services.get(rest)?.policy.vip === 'none' || (kind === 'vip6/name' && vipCidr6 === '');
        if (unwanted) releaseVip(claims, claim, rest, draft);
        else if (!services.has(rest)) idle.add(rest);
        break;
      }
      case 'vip/addr': {
        const held = [claims.get(claimKeys.vipOfService(value)), claims.get(claimKeys.vip6OfService(value))];
        if (!held.includes(rest)) draft.releases.set(claim, value);
        break;
      }
      case 'vip/idle': {
        const holds = claims.has(claimKeys.vipOfService(rest)) || claims.has(claimKeys.vip6OfService(rest));
        if (services.has(rest) || !holds) draft.releases.set(claim, value);
        break;
      }
      case 'port':
        if (!publishes(services.get(value)?.policy, rest)) draft.releases.set(claim, value);
        break;
    }
  }
  for (const key of idle) planIdle(key, input, draft);
}

function planIdle(key: ServiceKey, { claims, now }: ClaimsInput, draft: ClaimsDraft): void {
  const claim = claimKeys.vipIdle(key);
  const since = claims.get(claim);
  const idleMs = now - Date.parse(since ?? '');
  if (idleMs >= VIP_HOLD_MS && idleMs <= VIP_HOLD_MS + NOTICE_MS) releaseService(claims, key, draft);
  else if (!(idleMs >= 0 && idleMs < VIP_HOLD_MS)) {
    if (since !== undefined) draft.releases.set(claim, since);
    draft.claims.push(new Map([[claim, new Date(now).toISOString()]]));
  }
}

const publishes = (policy: Pick<ServicePolicy, 'ports'> | undefined, published: string): boolean =>
  policy?.ports.some(({ protocol, publish }) => publish !== undefined && published === `${protocol}/${publish}`) ??
  false;

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
