/**
 * A map from a key to a set, most of which have one member: that one is held as it is, to spare a set for each of
 * tens of thousands of addresses. Adding and removing are O(1).
 */
export class MultiMap<V extends object> {
  readonly #members = new Map<string, V | Set<V>>();

  add(key: string, value: V): void {
    const present = this.#members.get(key);
    if (present instanceof Set) present.add(value);
    else if (present === undefined) this.#members.set(key, value);
    else if (present !== value) this.#members.set(key, new Set([present, value]));
  }

  delete(key: string, value: V): void {
    const present = this.#members.get(key);
    if (present instanceof Set) {
      present.delete(value);
      if (present.size === 0) this.#members.delete(key);
    } else if (present === value) {
      this.#members.delete(key);
    }
  }

  has(key: string): boolean {
    return this.#members.has(key);
  }

  get(key: string): Iterable<V> {
    const present = this.#members.get(key);
    if (present === undefined) return [];
    return present instanceof Set ? present : [present];
  }
}
