import { suggest } from '../lib/suggest.ts';
import type { EndpointId } from '../model/service.ts';
import type { Endpoint, Service, ServiceTable } from '../model/table.ts';

export interface FoundEndpoint {
  readonly service: Service;
  readonly endpoint: Endpoint;
}

export type EndpointLookup =
  | ({ readonly kind: 'found' } & FoundEndpoint)
  | { readonly kind: 'ambiguous'; readonly candidates: readonly EndpointId[] }
  | { readonly kind: 'unknown'; readonly meant?: EndpointId };

const localPart = (id: EndpointId): string => id.slice(id.indexOf('/') + 1);

/** What an operator may mean by a text, surest first; the first rule with a match decides. */
const RULES: readonly ((endpoint: Endpoint, text: string) => boolean)[] = [
  (endpoint, text) => endpoint.id === text,
  (endpoint, text) => localPart(endpoint.id) === text,
  (endpoint, text) => endpoint.container?.name === text,
  (endpoint, text) => endpoint.id.startsWith(text) || localPart(endpoint.id).startsWith(text),
  // The twelve digits that `docker ps` shows; fewer are more likely a typing error.
  (endpoint, text) => text.length >= 12 && endpoint.container?.id.startsWith(text) === true,
];

/**
 * The endpoint somebody means: by its id, by the part after the slash, by its container's name, by the beginning of
 * either id, or by its container's id. More than one match of a rule is ambiguous, never a guess.
 */
export function findEndpoint(table: ServiceTable, text: string): EndpointLookup {
  const all = [...table.services.values()].flatMap((service) =>
    service.endpoints.map((endpoint) => ({ service, endpoint })),
  );
  for (const matches of text === '' ? [] : RULES) {
    const [first, ...others] = all.filter(({ endpoint }) => matches(endpoint, text));
    if (first === undefined) continue;
    if (others.length === 0) return { kind: 'found', ...first };
    return { kind: 'ambiguous', candidates: [first, ...others].map(({ endpoint }) => endpoint.id).sort() };
  }
  const ids = all.map(({ endpoint }) => endpoint.id);
  const local = suggest(text, ids.map(localPart));
  const meant = suggest(text, ids) ?? ids.find((id) => localPart(id) === local);
  return meant === undefined ? { kind: 'unknown' } : { kind: 'unknown', meant };
}

/** The services of a name: `web` in every stack, or the one `web.shop`. None when there is no such service. */
export function findServices(table: ServiceTable, text: string): readonly Service[] {
  const name = text.toLowerCase();
  const one = table.services.get(name);
  return table.byName.get(name) ?? (one === undefined ? [] : [one]);
}
