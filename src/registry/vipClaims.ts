import { type Claims, claimKeys } from '../model/claims.ts';
import type { Problem, ServiceKey } from '../model/service.ts';
import {
  addressAt,
  canonicalAddress,
  freeOffset,
  offsetOf,
  parseAddress,
  rangeSize,
  type VipRange,
} from '../model/vip.ts';
import type { ClaimsDraft, ClaimsInput } from './claims.ts';

/**
 * Gives every service that wants one an address of the range, and releases what stands in its way.
 *
 * - A service keeps the address it holds while that is in the range, and until the one it asks for is free.
 * - Fixed addresses are served before chosen ones, so that no name hashes onto what another service was promised.
 * - An address that idles for a service without endpoints yields to one that asks for it by number, to nobody else.
 */
export function planVips(input: ClaimsInput, range: VipRange, draft: ClaimsDraft): void {
  const { services, claims } = input;
  const nameOf = range.family === 4 ? claimKeys.vipOfService : claimKeys.vip6OfService;
  const fixed: { readonly key: ServiceKey; readonly address: string }[] = [];
  const chosen: ServiceKey[] = [];
  for (const [key, { policy }] of services) {
    if (policy.vip === 'none') continue;
    const held = claims.get(nameOf(key));
    const holds = held !== undefined && (claims.get(claimKeys.serviceOfVip(held)) ?? key) === key;
    const asked = policy.vip === 'auto' ? undefined : fixedAddress(policy.vip, range);
    if (asked !== undefined && !(holds && held === asked)) fixed.push({ key, address: asked });
    else if (!holds || offsetOf(range, held) === undefined) chosen.push(key);
    else if (!claims.has(claimKeys.serviceOfVip(held))) draft.claims.push(pair(nameOf(key), held, key));
  }
  const given = new Map<string, ServiceKey>();
  const give = (key: ServiceKey, address: string) => {
    releaseVip(claims, nameOf(key), key, draft);
    draft.claims.push(pair(nameOf(key), address, key));
    given.set(address, key);
  };
  for (const { key, address } of fixed.sort(byKey)) {
    const holder = given.get(address) ?? claims.get(claimKeys.serviceOfVip(address)) ?? key;
    const idle = !services.has(holder) && claims.has(claimKeys.vipIdle(holder));
    if (offsetOf(range, address) === undefined) draft.problems.push(outside(key, address, range));
    else if (holder !== key && !idle) draft.problems.push(taken(key, address, holder));
    else {
      if (holder !== key) releaseService(claims, holder, draft);
      give(key, address);
    }
  }
  if (chosen.length === 0) return;
  const used = usedOffsets(claims, given, range);
  const without: ServiceKey[] = [];
  for (const key of chosen.sort()) {
    const offset = freeOffset(range, key, used);
    if (offset === undefined) without.push(key);
    else {
      used.add(offset);
      give(key, addressAt(range, offset));
    }
  }
  if (without.length > 0) draft.problems.push(exhausted(without, range));
}

/** Frees the address a service holds in one family. */
export function releaseVip(claims: Claims, name: string, key: ServiceKey, draft: ClaimsDraft): void {
  const held = claims.get(name);
  if (held === undefined) return;
  draft.releases.set(name, held);
  const address = claimKeys.serviceOfVip(held);
  if (claims.get(address) === key) draft.releases.set(address, key);
}

/** Frees all that a service holds of addresses, its idle mark included. */
export function releaseService(claims: Claims, key: ServiceKey, draft: ClaimsDraft): void {
  releaseVip(claims, claimKeys.vipOfService(key), key, draft);
  releaseVip(claims, claimKeys.vip6OfService(key), key, draft);
  const idle = claims.get(claimKeys.vipIdle(key));
  if (idle !== undefined) draft.releases.set(claimKeys.vipIdle(key), idle);
}

/** A fixed address of the other family leaves this one to be chosen; text that is no address counts as IPv4. */
function fixedAddress(vip: string, range: VipRange): string | undefined {
  const family = parseAddress(vip)?.family ?? 4;
  return family === range.family ? (canonicalAddress(vip) ?? vip) : undefined;
}

const pair = (name: string, address: string, key: ServiceKey) =>
  new Map([
    [name, address],
    [claimKeys.serviceOfVip(address), key],
  ]);

const byKey = (a: { readonly key: ServiceKey }, b: { readonly key: ServiceKey }): number => (a.key < b.key ? -1 : 1);

function usedOffsets(claims: Claims, given: ReadonlyMap<string, ServiceKey>, range: VipRange): Set<number> {
  const used = new Set<number>();
  const use = (address: string) => {
    const offset = offsetOf(range, address);
    if (offset !== undefined) used.add(offset);
  };
  const prefix = claimKeys.serviceOfVip('');
  for (const claim of claims.keys()) if (claim.startsWith(prefix)) use(claim.slice(prefix.length));
  for (const address of given.keys()) use(address);
  return used;
}

const outside = (key: ServiceKey, address: string, range: VipRange): Problem => ({
  code: 'vip-outside',
  subject: `service ${key}`,
  message: `asks for the virtual address ${address}, which ${range.cidr} does not have to give; choose one within that range, or "auto"`,
});

const taken = (key: ServiceKey, address: string, holder: ServiceKey): Problem => ({
  code: 'vip-taken',
  subject: `service ${key}`,
  message: `asks for the virtual address ${address}, which service ${holder} holds; choose another, or "auto"`,
});

function exhausted(keys: readonly ServiceKey[], range: VipRange): Problem {
  const shown = keys.slice(0, 5).join(', ');
  const more = keys.length > 5 ? ` and ${keys.length - 5} more` : '';
  return {
    code: 'vip-exhausted',
    subject: `VIP range ${range.cidr}`,
    message: `all ${rangeSize(range)} addresses are taken, none is left for ${shown}${more}; set a larger mesh.${range.family === 4 ? 'vipCidr' : 'vipCidr6'}, or "vip: none" where none is needed`,
  };
}
