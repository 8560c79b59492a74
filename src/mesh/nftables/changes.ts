import type { Family, MeshPlan } from '../plan.ts';
import { type Contents, type Element, hostElements, serviceElements } from './elements.ts';
import type { SetName } from './structure.ts';

/** Elements to take out, then elements to put in; never both with the same content. */
export interface Changes {
  readonly removed: readonly Element[];
  readonly added: readonly Element[];
}

export const isEmpty = ({ removed, added }: Changes): boolean => removed.length === 0 && added.length === 0;

/** What turns one plan's rules into another's. Only services whose plan is another object are looked at. */
export function diffPlans(applied: MeshPlan, desired: MeshPlan): Changes {
  const before: Element[] = [];
  const after: Element[] = [];
  for (const [key, plan] of desired.services) {
    const old = applied.services.get(key);
    if (old === plan) continue;
    if (old !== undefined) append(before, serviceElements(old));
    append(after, serviceElements(plan));
  }
  for (const [key, old] of applied.services) {
    if (!desired.services.has(key)) append(before, serviceElements(old));
  }
  if (applied.bridges !== desired.bridges || applied.ranges !== desired.ranges) {
    append(before, hostElements(applied));
    append(after, hostElements(desired));
  }
  return diffElements(before, after);
}

/** One by one: as arguments of one `push`, the elements of a service with thousands of ports would not fit the stack. */
function append(list: Element[], elements: readonly Element[]): void {
  for (const element of elements) list.push(element);
}

function diffElements(before: readonly Element[], after: readonly Element[]): Changes {
  const old = new Map(before.map((element) => [identity(element), element]));
  const next = new Map(after.map((element) => [identity(element), element]));
  const same = (a: Element, b: Element | undefined): boolean => b !== undefined && a.value === b.value;
  return {
    removed: [...old].filter(([id, element]) => !same(element, next.get(id))).map(([, element]) => element),
    added: [...next].filter(([id, element]) => !same(element, old.get(id))).map(([, element]) => element),
  };
}

const identity = ({ family, set, key }: Element): string => `${family} ${set} ${key}`;

/** What turns a table's contents, as read back from the kernel, into the desired ones. */
export function diffContents(family: Family, actual: Contents, desired: Contents): Changes {
  const missingFrom = (contents: Contents, others: Contents): readonly Element[] =>
    [...contents].flatMap(([set, elements]) => {
      const other = others.get(set);
      return [...elements]
        .filter(([key, value]) => other?.get(key) !== value)
        .map(([key, value]) => toElement(family, set, key, value));
    });
  return { removed: missingFrom(actual, desired), added: missingFrom(desired, actual) };
}

const toElement = (family: Family, set: SetName, key: string, value: string): Element =>
  value === '' ? { family, set, key } : { family, set, key, value };
