import type { ServiceTable } from '../../model/table.ts';
import { visibleServices } from './service-name.ts';
import type { Target } from './target.ts';

/**
 * Names left of `service.consul`, as Consul reads them: `web`, `tag.web` (a tag may have dots), `_web._tcp`,
 * `_web._tag`. They name endpoints in rotation, never a virtual address; a service's stack counts as a tag.
 */
export function consulTarget(
  table: ServiceTable,
  labels: readonly string[],
  stack: string | undefined,
): Target | undefined {
  const [first = '', second = ''] = labels;
  if (labels.length === 2 && first.startsWith('_') && second.startsWith('_')) {
    return rfc2782Target(table, { name: first.slice(1), qualifier: second.slice(1), stack });
  }
  const name = labels.at(-1) ?? '';
  const tag = labels.slice(0, -1).join('.');
  if (tag === '') {
    const services = visibleServices(table, name, stack);
    return services.length === 0 ? undefined : { kind: 'endpoints', services };
  }
  // Consul cannot tell an unknown tag from one whose endpoints are all down; neither exists.
  const services = table.byName.get(name) ?? [];
  const known = services.some((service) =>
    service.endpoints.some((endpoint) => hasTag(service.stack, endpoint.tags, tag)),
  );
  return known ? { kind: 'endpoints', services, tag } : undefined;
}

interface Rfc2782Name {
  readonly name: string;
  /** `tcp` and `udp` choose ports; whatever else is a tag. */
  readonly qualifier: string;
  readonly stack: string | undefined;
}

function rfc2782Target(table: ServiceTable, { name, qualifier, stack }: Rfc2782Name): Target | undefined {
  const isProtocol = qualifier === 'tcp' || qualifier === 'udp';
  const services = isProtocol ? visibleServices(table, name, stack) : (table.byName.get(name) ?? []);
  if (services.length === 0) return undefined;
  if (isProtocol) return { kind: 'ports', services, protocol: qualifier };
  return { kind: 'ports', services, protocol: undefined, tag: qualifier };
}

/** Consul compares tags without case. */
export const hasTag = (stack: string | undefined, tags: readonly string[], tag: string): boolean =>
  stack === tag || tags.some((candidate) => candidate.toLowerCase() === tag);
