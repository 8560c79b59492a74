import type { EndpointId, Registration, ServicePolicy, ServicePort } from '../model/service.ts';

export type RowChange =
  | { readonly kind: 'add'; readonly after: Registration }
  | { readonly kind: 'change'; readonly before: Registration; readonly after: Registration }
  | { readonly kind: 'remove'; readonly before: Registration };

export interface RowDiff {
  readonly changes: readonly RowChange[];
  /** Desired rows that say what is stored already, in another object: knowing them makes the next diff cheap. */
  readonly renewed: readonly Registration[];
}

/**
 * What turns the stored rows into the desired ones, whose ids are unique. `previous` only saves work: the desired rows
 * of the last time, all of them stored since; one that is still in its place there is not looked up.
 */
export function diffRows(
  stored: ReadonlyMap<EndpointId, Registration>,
  desired: readonly Registration[],
  previous: readonly Registration[] = [],
): RowDiff {
  const changes: RowChange[] = [];
  const renewed: Registration[] = [];
  let kept = 0;
  for (const [i, after] of desired.entries()) {
    const before = previous[i] === after ? after : stored.get(after.id);
    if (before !== undefined) kept++;
    if (before === after) continue;
    if (before === undefined) changes.push({ kind: 'add', after });
    else if (sameRegistration(before, after)) renewed.push(after);
    else changes.push({ kind: 'change', before, after });
  }
  if (kept < stored.size) {
    const wanted = new Set(desired.map((row) => row.id));
    for (const [id, before] of stored) if (!wanted.has(id)) changes.push({ kind: 'remove', before });
  }
  return { changes, renewed };
}

/** Do two rows say the same of an endpoint? Maps are compared as sets of entries, lists in their order. */
export function sameRegistration(a: Registration, b: Registration): boolean {
  return (
    a === b ||
    (a.id === b.id &&
      a.node === b.node &&
      a.service.name === b.service.name &&
      a.service.stack === b.service.stack &&
      a.state === b.state &&
      a.reason === b.reason &&
      a.address === b.address &&
      a.address6 === b.address6 &&
      a.weight === b.weight &&
      a.relay === b.relay &&
      sameList(a.tags, b.tags) &&
      sameMap(a.ports, b.ports) &&
      sameMap(a.meta, b.meta) &&
      a.container?.id === b.container?.id &&
      a.container?.name === b.container?.name &&
      a.container?.image === b.container?.image &&
      samePolicy(a.policy, b.policy))
  );
}

function samePolicy(a: ServicePolicy, b: ServicePolicy): boolean {
  return (
    a === b ||
    (a.traffic === b.traffic &&
      a.schedule === b.schedule &&
      a.vip === b.vip &&
      a.drainMs === b.drainMs &&
      a.affinity.kind === b.affinity.kind &&
      timeoutOf(a) === timeoutOf(b) &&
      samePorts(a.ports, b.ports) &&
      sameRoute(a.http, b.http))
  );
}

/** The same ports in the same order. */
export function samePorts(a: readonly ServicePort[], b: readonly ServicePort[]): boolean {
  if (a === b) return true;
  return (
    a.length === b.length &&
    a.every((port, i) => {
      const other = b[i];
      return (
        port.name === other?.name &&
        port.port === other.port &&
        port.protocol === other.protocol &&
        port.publish === other.publish
      );
    })
  );
}

const timeoutOf = ({ affinity }: ServicePolicy): number | undefined =>
  affinity.kind === 'client-ip' ? affinity.timeoutMs : undefined;

const sameRoute = (a: ServicePolicy['http'], b: ServicePolicy['http']): boolean =>
  a?.host === b?.host &&
  a?.path === b?.path &&
  a?.priority === b?.priority &&
  a?.sticky?.cookie === b?.sticky?.cookie &&
  a?.sticky?.mode === b?.sticky?.mode &&
  (a === undefined) === (b === undefined);

const sameList = (a: readonly string[], b: readonly string[]): boolean =>
  a === b || (a.length === b.length && a.every((item, i) => item === b[i]));

function sameMap<V>(a: ReadonlyMap<string, V>, b: ReadonlyMap<string, V>): boolean {
  if (a === b) return true;
  if (a.size !== b.size) return false;
  for (const [key, value] of a) if (b.get(key) !== value) return false;
  return true;
}
