import { nameRule, parseName, printable } from '../../model/names.ts';
import type { Container } from './container.ts';
import type { Settings } from './labels.ts';

export type Named =
  | { readonly name: string; readonly stack?: string; readonly error?: undefined }
  | { readonly error: string };

/** A name as some tool wrote it, before it has shown to be fit for one. */
interface Candidate {
  readonly name: string;
  readonly stack?: string;
  readonly from: string;
}

/**
 * The service a container belongs to: `fairlead.name` and `.stack`, else Compose's service and project, Swarm's service
 * and stack, `SERVICE_NAME`, the image's base name.
 */
export function nameOf(
  container: Pick<Container, 'labels' | 'image'>,
  settings: Settings,
  serviceName: string | undefined,
): Named {
  const found =
    composeName(container.labels) ??
    swarmName(container.labels) ??
    serviceVariable(serviceName) ??
    imageName(container);
  const name = settings.name ?? parseName(found.name);
  if (name === undefined) return { error: `${found.from}: ${nameRule(found.name)}; or set fairlead.name` };
  if (settings.stack !== undefined) return { name, stack: settings.stack };
  if (found.stack === undefined) return { name };
  const stack = parseName(found.stack);
  return stack === undefined
    ? { error: `${found.from}: ${nameRule(found.stack)}; or set fairlead.stack` }
    : { name, stack };
}

/**
 * The stack a container belongs to, whether it runs a service or not: `fairlead.stack`, else Compose's project, Swarm's
 * stack. Undefined where it is in none, or in one unfit for a name.
 */
export function stackOf(labels: ReadonlyMap<string, string>): string | undefined {
  const stack =
    labels.get('fairlead.stack')?.trim() ??
    labels.get('com.docker.compose.project') ??
    labels.get('com.docker.stack.namespace');
  return stack === undefined ? undefined : parseName(stack);
}

function composeName(labels: ReadonlyMap<string, string>): Candidate | undefined {
  const name = labels.get('com.docker.compose.service');
  const stack = labels.get('com.docker.compose.project');
  if (name === undefined) return undefined;
  return { name, ...(stack === undefined ? {} : { stack }), from: 'Compose service' };
}

/** `docker stack deploy` calls the service `web` of the stack `shop` `shop_web`. */
function swarmName(labels: ReadonlyMap<string, string>): Candidate | undefined {
  const name = labels.get('com.docker.swarm.service.name');
  const stack = labels.get('com.docker.stack.namespace');
  if (name === undefined) return undefined;
  if (stack === undefined) return { name, from: 'Swarm service' };
  return { name: name.startsWith(`${stack}_`) ? name.slice(stack.length + 1) : name, stack, from: 'Swarm service' };
}

const serviceVariable = (name: string | undefined): Candidate | undefined =>
  name === undefined ? undefined : { name, from: 'SERVICE_NAME' };

/** `registry:5000/team/app:1.2@sha256:…` → `app`; an image that only has an id names nothing. */
function imageName({ image }: Pick<Container, 'image'>): Candidate {
  const [path = ''] = image.split('@');
  const base = (path.split('/').at(-1) ?? '').split(':')[0] ?? '';
  const name = path.startsWith('sha256:') ? path : base;
  return { name, from: `image ${printable(image)}` };
}
