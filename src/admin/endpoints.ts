import type { Context } from 'hono';
import { FairleadError } from '../lib/errors.ts';
import type { ServiceTable } from '../model/table.ts';
import type { AdminBackend } from './backend.ts';
import { refuse } from './errors.ts';
import { type ConnectionCounts, type EndpointDetailJson, encodeEndpoint } from './json.ts';
import { type FoundEndpoint, findEndpoint } from './lookup.ts';

const PREFIX = '/v1/endpoints/';

type Action = 'drain' | 'undrain';

/**
 * `GET /v1/endpoints/{id}`, `POST /v1/endpoints/{id}/drain` and `…/undrain`. Ids have a slash of their own, which may
 * come as it is or as `%2F`: the path is taken apart here, for a router would split it there.
 */
export function endpointHandler(backend: AdminBackend): (c: Context, table: ServiceTable) => Promise<Response> {
  return async (c, table) => {
    const { text, action } = parsePath(c.req.path);
    const read = c.req.method === 'GET' || c.req.method === 'HEAD';
    if (action === undefined ? !read : c.req.method !== 'POST') {
      c.header('allow', action === undefined ? 'GET, HEAD' : 'POST');
      return refuse(c, 405, { code: 'method-not-allowed', message: `not with ${c.req.method}` });
    }
    const found = findEndpoint(table, text);
    switch (found.kind) {
      case 'found':
        return c.json(action === undefined ? await detail(backend, found) : await backend[action](found.endpoint.id));
      case 'ambiguous': {
        const message = `${JSON.stringify(text)} is more than one endpoint: ${found.candidates.join(', ')}`;
        return refuse(c, 409, { code: 'ambiguous-endpoint', message, details: { candidates: found.candidates } });
      }
      case 'unknown': {
        const hint = found.meant === undefined ? '' : `; did you mean ${JSON.stringify(found.meant)}?`;
        return refuse(c, 404, { code: 'unknown-endpoint', message: `no endpoint is ${JSON.stringify(text)}${hint}` });
      }
    }
  };
}

/** An id may itself end in a word like ours; only the last segment is the action. */
function parsePath(path: string): { readonly text: string; readonly action: Action | undefined } {
  const rest = path.slice(PREFIX.length);
  const [, id = rest, action] = /^(.*)\/(drain|undrain)$/.exec(rest) ?? [];
  try {
    return { text: decodeURIComponent(id), action: action === 'drain' || action === 'undrain' ? action : undefined };
  } catch (cause) {
    throw new FairleadError('bad-request', 'the endpoint id is not well percent-encoded', { cause });
  }
}

async function detail(backend: AdminBackend, { service, endpoint }: FoundEndpoint): Promise<EndpointDetailJson> {
  const connections = await countConnections(backend);
  return { ...encodeEndpoint(service, endpoint, connections), service: service.key };
}

/** Undefined where the host cannot count them (no conntrack, not root): no reason to refuse all the rest. */
export async function countConnections(backend: AdminBackend): Promise<ConnectionCounts | undefined> {
  try {
    return await backend.connections();
  } catch {
    return undefined;
  }
}
