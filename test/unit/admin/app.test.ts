import { describe, expect, it } from 'vitest';
import { type AdminAppOptions, adminApp } from '../../../src/admin/app.ts';
import { drainJson, endpointDetailJson, nodeJson, serviceJson, statusJson } from '../../../src/admin/json.ts';
import { silentLogger } from '../../../src/lib/logger.ts';
import { claimKeys } from '../../../src/model/claims.ts';
import { clusterNode, FakeAgent } from '../../support/admin.ts';
import { ManualClock } from '../../support/clock.ts';
import { row } from '../../support/rows.ts';

function setUp(options: Partial<AdminAppOptions> = {}) {
  const agent = new FakeAgent();
  agent.change({ nodes: [clusterNode('n1'), clusterNode('n2', { zone: 'b', state: 'critical' })] });
  agent.setRows(row('web', 'web-1:80'), row('web', 'web-2:80', { stack: 'shop' }));
  const app = adminApp({
    backend: agent,
    clock: new ManualClock(),
    logger: silentLogger,
    token: '',
    loopback: false,
    heartbeatMs: 15_000,
    signal: new AbortController().signal,
    ...options,
  });
  const ask = async (path: string, init?: RequestInit) => {
    const response = await app.request(path, init);
    const text = await response.text();
    const isJson = response.headers.get('content-type')?.startsWith('application/json') === true;
    return {
      status: response.status,
      headers: response.headers,
      body: isJson && text !== '' ? JSON.parse(text) : text,
    };
  };
  const post = (path: string, headers: Record<string, string> = {}) => ask(path, { method: 'POST', headers });
  return { agent, ask, post };
}

const error = (status: number, code: string) => ({ status, body: { error: { code, message: expect.any(String) } } });

describe('reading', () => {
  it('says that the process works, and whether it is ready', async () => {
    const { agent, ask } = setUp();
    agent.unsynced = [{ part: 'mesh', reason: 'no table applied yet' }];
    expect(await ask('/healthz')).toMatchObject({ status: 200 });
    expect(await ask('/readyz')).toMatchObject({
      status: 503,
      body: {
        error: {
          code: 'not-ready',
          message: 'not synced yet: mesh: no table applied yet',
          details: [{ part: 'mesh', reason: 'no table applied yet' }],
        },
      },
    });
    agent.unsynced = [];
    expect(await ask('/readyz')).toMatchObject({ status: 200 });
  });

  it('shows the status', async () => {
    const { agent, ask } = setUp();
    agent.change({ problems: [{ code: 'label', subject: 'container x', message: 'bad' }] });
    const { body } = await ask('/v1/status');
    expect(Object.keys(body).slice(0, 7)).toEqual([
      'node',
      'version',
      'registry',
      'mesh',
      'services',
      'endpoints',
      'warnings',
    ]);
    expect(statusJson.parse(body)).toMatchObject({
      services: 2,
      endpoints: 2,
      warnings: [{ subject: 'container x' }],
      notReady: [],
    });
  });

  it.each([
    ['/v1/services', ['web', 'web.shop']],
    ['/v1/services/web', ['web', 'web.shop']],
    ['/v1/services/WEB.shop', ['web.shop']],
  ])('lists %s', async (path, keys) => {
    const { agent, ask } = setUp();
    agent.counts = new Map([['n1/web-1:80', 7]]);
    const { body } = await ask(path);
    const services = body.map((each: unknown) => serviceJson.parse(each));
    const names = services.map((each: { name: string; stack: string | null }) =>
      [each.name, each.stack].filter((part) => part !== null).join('.'),
    );
    expect(names).toEqual(keys);
  });

  it('lists services also where connections cannot be counted', async () => {
    const { agent, ask } = setUp();
    agent.counts = undefined;
    const { status, body } = await ask('/v1/services/web');
    expect(status).toBe(200);
    expect(body[0].endpoints[0].connections).toBeNull();
  });

  it('lists ten thousand services in pieces that make one document', async () => {
    const { agent, ask } = setUp();
    agent.setRows(...Array.from({ length: 10_000 }, (_, i) => row(`s${i}`, `e${i}`)));
    expect((await ask('/v1/services')).body).toHaveLength(10_000);
  });

  it('lists services in the order of their names', async () => {
    const { agent, ask } = setUp();
    agent.setRows(row('b', 'b'), row('c', 'c'), row('a', 'a'));
    expect((await ask('/v1/services')).body.map(({ name }: { name: string }) => name)).toEqual(['a', 'b', 'c']);
  });

  it('lists an empty table', async () => {
    const { agent, ask } = setUp();
    agent.setRows();
    expect((await ask('/v1/services')).body).toEqual([]);
  });

  it('lists nodes', async () => {
    const { body } = await setUp().ask('/v1/nodes');
    expect(body.map((each: unknown) => nodeJson.parse(each))).toMatchObject([
      { name: 'n1', zone: null },
      { name: 'n2', zone: 'b', state: 'critical' },
    ]);
  });

  it('resolves', async () => {
    const { agent, ask } = setUp();
    agent.change({ claims: new Map([[claimKeys.vipOfService('web'), '10.96.0.9']]) });
    const { body } = await ask('/v1/resolve?name=web');
    expect(body).toMatchObject({ type: 'A', from: '127.0.0.1', stack: null, rcode: 'NOERROR' });
    expect((await ask('/v1/resolve?name=web&type=aaaa&from=172.18.0.5')).body).toMatchObject({
      type: 'AAAA',
      stack: 'shop',
    });
  });

  it('answers HEAD as GET', async () => {
    expect(await setUp().ask('/v1/status', { method: 'HEAD' })).toMatchObject({ status: 200, body: '' });
  });

  it('gives metrics as Prometheus reads them', async () => {
    const { headers, body } = await setUp().ask('/metrics');
    expect(headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
    expect(body).toBe('fairlead_services 1\n');
  });

  it('says that there is no table yet', async () => {
    const { ask } = setUp({ backend: new FakeAgent() });
    for (const path of ['/v1/services', '/v1/services/web', '/v1/endpoints/x']) {
      expect(await ask(path)).toMatchObject(error(503, 'not-ready'));
    }
  });
});

describe('draining', () => {
  it.each(['n1/web-1:80', 'n1%2Fweb-1%3A80', 'web-1:80', 'n1/web-1'])('takes %s out and puts it back', async (id) => {
    const { agent, post, ask } = setUp();
    const drained = drainJson.parse((await post(`/v1/endpoints/${id}/drain`)).body);
    expect(drained).toEqual({ id: 'n1/web-1:80', revision: agent.table()?.revision });
    expect(endpointDetailJson.parse((await ask(`/v1/endpoints/${id}`)).body)).toMatchObject({
      id: 'n1/web-1:80',
      service: 'web',
      state: 'draining',
    });
    await post(`/v1/endpoints/${id}/undrain`);
    expect(agent.table()?.services.get('web')?.endpoints[0]?.state).toBe('passing');
  });

  it.each([
    ['a%25b', 'a%b'],
    ['a%2Fb%2Fdrain', 'a/b/drain'],
    ['n1/%E2%82%AC', 'n1/€'],
  ])('decodes %s once', async (path, id) => {
    const { post } = setUp();
    const { body } = await post(`/v1/endpoints/${path}/drain`);
    expect(body.error.message).toContain(JSON.stringify(id));
  });

  it.each([
    ['one that is not there', '/v1/endpoints/wep-1:80/drain', 404, 'unknown-endpoint'],
    ['more than one', '/v1/endpoints/web/drain', 409, 'ambiguous-endpoint'],
    ['none at all', '/v1/endpoints//drain', 404, 'unknown-endpoint'],
    ['bad encoding', '/v1/endpoints/%E0%A4%A/drain', 400, 'bad-request'],
    ['another action', '/v1/endpoints/n1/web-1:80/stop', 405, 'method-not-allowed'],
  ])('refuses %s', async (_what, path, status, code) => {
    const { status: got, body } = await setUp().post(path);
    expect({ status: got, code: body.error.code }).toEqual({ status, code });
  });

  it('names the candidates, and what was meant', async () => {
    const { post } = setUp();
    expect((await post('/v1/endpoints/web/drain')).body.error.details).toEqual({
      candidates: ['n1/web-1:80', 'n1/web-2:80'],
    });
    expect((await post('/v1/endpoints/wep-1:80/drain')).body.error.message).toContain('did you mean "n1/web-1:80"?');
  });

  it('says that the registry is down', async () => {
    const { agent, post } = setUp();
    agent.registryDown = true;
    expect(await post('/v1/endpoints/web-1:80/drain')).toMatchObject(error(503, 'registry-unavailable'));
  });
});

describe('the mesh', () => {
  it('is planned, checked and repaired', async () => {
    const { agent, ask, post } = setUp();
    agent.differences = ['chain nat: missing'];
    expect((await ask('/v1/mesh/plan')).body.plan).toContain('table inet fairlead');
    expect((await ask('/v1/mesh/check')).body).toEqual({ differences: ['chain nat: missing'] });
    expect(await post('/v1/mesh/repair')).toMatchObject({ status: 200 });
    expect((await ask('/v1/mesh/check')).body).toEqual({ differences: [] });
  });
});

describe('a refusal', () => {
  it.each([
    ['GET', '/', 404, 'not-found'],
    ['GET', '/v1', 404, 'not-found'],
    ['GET', '/v1/trace', 404, 'not-found'],
    ['POST', '/nope', 404, 'not-found'],
    ['GET', '/v1/services/nope', 404, 'unknown-service'],
    ['POST', '/v1/services', 405, 'method-not-allowed'],
    ['DELETE', '/v1/endpoints/n1/web-1:80', 405, 'method-not-allowed'],
    ['GET', '/v1/endpoints/n1/web-1:80/drain', 405, 'method-not-allowed'],
    ['GET', '/v1/mesh/repair', 405, 'method-not-allowed'],
    ['GET', '/v1/resolve', 400, 'bad-request'],
    ['GET', '/v1/resolve?name=web&type=A;', 400, 'bad-request'],
    ['GET', '/v1/resolve?name=web&from=nowhere', 400, 'bad-request'],
    ['GET', '/v1/resolve?name=web&type=FOO', 400, 'dns-type'],
  ])('of %s %s is %i %s', async (method, path, status, code) => {
    const answer = await setUp().ask(path, { method });
    expect(answer).toMatchObject(error(status, code));
    if (status === 405) expect(answer.headers.get('allow')).toMatch(/GET|POST/);
  });

  it('of a body that is too large is 413', async () => {
    const { ask } = setUp();
    const body = 'x'.repeat(65 * 1024);
    expect(await ask('/v1/mesh/repair', { method: 'POST', body })).toMatchObject(error(413, 'too-large'));
  });

  it('after a bug tells nothing of it', async () => {
    const { agent, ask } = setUp();
    agent.status = () => {
      throw new TypeError('secret');
    };
    const answer = await ask('/v1/status');
    expect(answer).toMatchObject(error(500, 'internal'));
    expect(JSON.stringify(answer.body)).not.toContain('secret');
  });
});

describe('who may ask', () => {
  it('only holders of the token, but anybody for /healthz', async () => {
    const { agent, ask } = setUp({ token: 's3cret' });
    expect(await ask('/healthz')).toMatchObject({ status: 200 });
    for (const path of ['/v1/status', '/metrics', '/nope', '/healthz/']) {
      const refused = await ask(path);
      expect(refused).toMatchObject(error(401, 'unauthorized'));
      expect(refused.headers.get('www-authenticate')).toBe('Bearer');
    }
    const headers = { authorization: 'Bearer s3cret' };
    expect(await ask('/v1/status', { headers })).toMatchObject({ status: 200 });
    expect(await ask('/v1/mesh/repair', { method: 'POST' })).toMatchObject(error(401, 'unauthorized'));
    expect(agent.repairs).toBe(0);
  });

  it('on loopback only those who mean this host', async () => {
    const { ask } = setUp({ loopback: true });
    expect(await ask('/v1/status', { headers: { host: 'localhost:7470' } })).toMatchObject({ status: 200 });
    for (const host of ['evil.example', '']) {
      expect(await ask('/healthz', { headers: { host } })).toMatchObject(error(403, 'forbidden-host'));
    }
  });

  it("no other site's page for what changes something", async () => {
    const { agent, post, ask } = setUp();
    const foreign = { origin: 'http://evil.example', host: '127.0.0.1:7470' };
    expect(await post('/v1/mesh/repair', foreign)).toMatchObject(error(403, 'cross-site'));
    expect(agent.repairs).toBe(0);
    await post('/v1/mesh/repair', { origin: 'http://127.0.0.1:7470', host: '127.0.0.1:7470' });
    expect(agent.repairs).toBe(1);
    const read = await ask('/v1/status', { headers: foreign });
    expect(read.status).toBe(200);
    expect(read.headers.get('access-control-allow-origin')).toBeNull();
    expect(read.headers.get('x-content-type-options')).toBe('nosniff');
    expect(read.headers.get('cache-control')).toBe('no-store');
  });
});
