import { type Context, type Handler, Hono } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import type { Clock } from '../lib/clock.ts';
import { describeError } from '../lib/errors.ts';
import type { Logger } from '../lib/logger.ts';
import type { Service, ServiceTable } from '../model/table.ts';
import type { AdminBackend } from './backend.ts';
import { countConnections, endpointHandler } from './endpoints.ts';
import { refuse, refuseThrown } from './errors.ts';
import { eventStream } from './events.ts';
import { hasToken, isCrossSite, isLoopbackHost } from './guard.ts';
import { encodeNode, encodeProblem, encodeService } from './json.ts';
import { findServices } from './lookup.ts';
import { parseResolveQuery } from './resolve.ts';
import { jsonList, textStream } from './stream.ts';

export interface AdminAppOptions {
  readonly backend: AdminBackend;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Empty for none. */
  readonly token: string;
  /** Only this host can connect by TCP, and so only its own names are believed in a Host header. */
  readonly loopback: boolean;
  readonly heartbeatMs: number;
  /** Ends the event streams. */
  readonly signal: AbortSignal;
}

/** No request has a body that is read. */
const MAX_BODY = 64 * 1024;

/** The whole API as a function from request to response; without sockets, and so without a state. */
export function adminApp(options: AdminAppOptions): Hono {
  const { backend, logger } = options;
  const app = new Hono();
  protect(app, options);

  get(app, '/healthz', (c) => c.json({ status: 'ok' }));
  get(app, '/readyz', (c) => {
    const notReady = backend.readiness();
    if (notReady.length === 0) return c.json({ status: 'ok' });
    const parts = notReady.map(({ part, reason }) => `${part}: ${reason}`).join('; ');
    return refuse(c, 503, { code: 'not-ready', message: `not synced yet: ${parts}`, details: notReady });
  });
  get(app, '/metrics', async (c) =>
    c.body(await backend.metrics(), 200, { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' }),
  );
  get(app, '/v1/status', (c) => {
    const status = backend.status();
    return c.json({
      ...status,
      warnings: status.warnings.map(encodeProblem),
      notReady: backend.readiness(),
    });
  });
  get(
    app,
    '/v1/services',
    withTable(backend, (c, table) => services(c, backend, [...table.services.values()].sort(byKey))),
  );
  get(
    app,
    '/v1/services/:name',
    withTable(backend, (c, table) => {
      const name = c.req.param('name') ?? '';
      const found = findServices(table, name);
      if (found.length > 0) return services(c, backend, found);
      return refuse(c, 404, { code: 'unknown-service', message: `no service is called ${JSON.stringify(name)}` });
    }),
  );
  get(app, '/v1/nodes', (c) => c.json(backend.nodes().map(encodeNode)));
  get(app, '/v1/resolve', async (c) => {
    const query = parseResolveQuery(c.req.query('name'), c.req.query('type'), c.req.query('from'));
    const { stack = null, ...answer } = await backend.resolve(query);
    return c.json({ ...answer, stack });
  });
  app.all('/v1/endpoints/*', withTable(backend, endpointHandler(backend)));
  get(app, '/v1/events', (c) => events(c, options));
  get(app, '/v1/mesh/plan', (c) => c.json({ plan: backend.mesh.plan() }));
  get(app, '/v1/mesh/check', async (c) => c.json({ differences: await backend.mesh.check() }));
  app.post('/v1/mesh/repair', async (c) => {
    await backend.mesh.repair();
    return c.json({ repaired: true });
  });
  app.all('/v1/mesh/repair', notAllowed('POST'));

  app.notFound((c) =>
    refuse(c, 404, { code: 'not-found', message: `there is no ${c.req.path}; the API is under /v1, as in /v1/status` }),
  );
  app.onError((error, c) => {
    logger.warn({ path: c.req.path, error: describeError(error) }, 'admin request failed');
    return refuseThrown(c, error);
  });
  return app;
}

/** What every request must pass, before any route sees it. */
function protect(app: Hono, { token, loopback }: AdminAppOptions): void {
  app.use(async (c, next) => {
    const host = c.req.header('host');
    if (loopback && !isLoopbackHost(host ?? '')) {
      return refuse(c, 403, {
        code: 'forbidden-host',
        message: 'this address answers only to its own name; use localhost',
      });
    }
    if (token !== '' && c.req.path !== '/healthz' && !hasToken(c.req.header('authorization'), token)) {
      c.header('www-authenticate', 'Bearer');
      return refuse(c, 401, { code: 'unauthorized', message: 'the bearer token (admin.token) is missing or wrong' });
    }
    const changes = c.req.method !== 'GET' && c.req.method !== 'HEAD';
    const [origin, fetchSite] = [c.req.header('origin'), c.req.header('sec-fetch-site')];
    if (changes && isCrossSite({ origin, fetchSite, host })) {
      return refuse(c, 403, { code: 'cross-site', message: 'sent by a page of another site' });
    }
    await next();
    c.res.headers.set('cache-control', 'no-store');
    c.res.headers.set('x-content-type-options', 'nosniff');
  });
  app.use(
    bodyLimit({
      maxSize: MAX_BODY,
      onError: (c) => refuse(c, 413, { code: 'too-large', message: `a body may have ${MAX_BODY} bytes` }),
    }),
  );
}

/** Hono answers HEAD by GET. */
function get(app: Hono, path: string, handler: Handler): void {
  app.get(path, handler);
  app.all(path, notAllowed('GET, HEAD'));
}

const notAllowed =
  (allow: string): Handler =>
  (c) => {
    c.header('allow', allow);
    return refuse(c, 405, { code: 'method-not-allowed', message: `${c.req.path} takes ${allow}` });
  };

const byKey = (a: Service, b: Service): number => (a.key < b.key ? -1 : 1);

async function services(c: Context, backend: AdminBackend, found: readonly Service[]): Promise<Response> {
  const connections = await countConnections(backend);
  const body = jsonList(found, (service) => encodeService(service, connections));
  return c.body(textStream(body), 200, { 'content-type': 'application/json' });
}

function events(c: Context, { backend, clock, logger, heartbeatMs, signal }: AdminAppOptions): Response {
  const gone = AbortSignal.any([signal, c.req.raw.signal]);
  const body = eventStream({ tables: backend.subscribe(gone), clock, heartbeatMs, signal: gone });
  // Nothing follows a stream on its connection; said beforehand, the connection ends with it when the agent stops.
  const headers = { 'content-type': 'text/event-stream', connection: 'close' };
  return c.body(textStream(endQuietly(body, logger)), 200, headers);
}

/** The status is long sent when a stream fails: it ends, and the client connects again. */
async function* endQuietly(chunks: AsyncIterable<string>, logger: Logger): AsyncGenerator<string> {
  try {
    yield* chunks;
  } catch (error) {
    logger.warn({ error: describeError(error) }, 'event stream failed');
  }
}

type TableHandler = (c: Context, table: ServiceTable) => Response | Promise<Response>;

const withTable =
  (backend: AdminBackend, handler: TableHandler): Handler =>
  (c) => {
    const table = backend.table();
    if (table !== undefined) return handler(c, table);
    const message = 'no service table yet; /readyz says what is missing';
    return refuse(c, 503, { code: 'not-ready', message, details: backend.readiness() });
  };
