import { decodeNetwork } from './container.ts';
import { entriesAt, itemsAt, textAt } from './json.ts';

/** One running container of `GET /containers/json`: enough to see whether it must be inspected again. */
export interface ListedContainer {
  readonly id: string;
  /** Differs whenever name, state, health or an address does; the time it has been up is left out. */
  readonly fingerprint: string;
}

export function decodeListed(value: unknown): ListedContainer | undefined {
  const id = textAt(value, 'Id');
  if (id === undefined) return undefined;
  // `Up 5 minutes (healthy)`
  const remark = /\(([^)]*)\)/.exec(textAt(value, 'Status') ?? '')?.[1] ?? '';
  const networks = entriesAt(value, 'NetworkSettings', 'Networks')
    .map(([name, settings]) => decodeNetwork(name, settings))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
  return { id, fingerprint: JSON.stringify([itemsAt(value, 'Names'), textAt(value, 'State'), remark, networks]) };
}
