import { type EndpointId, type Registration, type ServiceKey, serviceKey } from '../model/service.ts';
import type { RowChange } from './diff.ts';

export type GroupedRows = ReadonlyMap<ServiceKey, readonly Registration[]>;

/**
 * The grouped rows after the changes, in their order. Groups that no change touches are the same arrays, and where
 * nothing differs in the end `rows` itself comes back. Each group is sorted by endpoint id.
 */
export function applyChanges(rows: GroupedRows, changes: readonly RowChange[]): GroupedRows {
  const edits = new Map<ServiceKey, Map<EndpointId, Registration | undefined>>();
  const edit = (row: Registration, value: Registration | undefined) => {
    const key = serviceKey(row.service);
    const ofGroup = edits.get(key);
    if (ofGroup === undefined) edits.set(key, new Map([[row.id, value]]));
    else ofGroup.set(row.id, value);
  };
  for (const change of changes) {
    // A row that changed its service leaves the old group and enters the new one.
    if (change.kind !== 'add') edit(change.before, undefined);
    if (change.kind !== 'remove') edit(change.after, change.after);
  }
  let next: Map<ServiceKey, readonly Registration[]> | undefined;
  for (const [key, ofGroup] of edits) {
    const before = rows.get(key) ?? [];
    const group = editGroup(before, ofGroup);
    if (group.length === before.length && group.every((row, i) => row === before[i])) continue;
    next ??= new Map(rows);
    if (group.length === 0) next.delete(key);
    else next.set(key, group);
  }
  return next ?? rows;
}

function editGroup(
  group: readonly Registration[],
  edits: ReadonlyMap<EndpointId, Registration | undefined>,
): readonly Registration[] {
  const next = group.filter((row) => !edits.has(row.id));
  for (const row of edits.values()) if (row !== undefined) next.push(row);
  return next.sort((a, b) => (a.id < b.id ? -1 : 1));
}
