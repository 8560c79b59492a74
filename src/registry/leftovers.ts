import { type Health, localIdOf, type Registration, type Workload } from '../model/service.ts';
import type { Picture } from './registry.ts';

/** The rows an earlier process of this node left in the registry. */
function* ownRows(picture: Picture, node: string): Iterable<Registration> {
  for (const rows of picture.rows.values()) yield* rows.filter((row) => row.node === node);
}

/** What was known of the health of this node's endpoints, by local id; a drain under way says nothing of it. */
export function leftHealth(picture: Picture, node: string): ReadonlyMap<string, Health> {
  const health = new Map<string, Health>();
  for (const { id, state, reason } of ownRows(picture, node)) {
    if (state !== 'draining') health.set(localIdOf(id), { state, reason });
  }
  return health;
}

/** The containers of this node as last written down, to go on with while Docker does not answer. */
export function leftContainers(picture: Picture, node: string): readonly Workload[] {
  return [...ownRows(picture, node)]
    .filter((row) => row.container !== undefined)
    .map(({ id, node: _node, state, reason, ...facts }) => ({
      ...facts,
      localId: localIdOf(id),
      health: { state, reason },
    }));
}
