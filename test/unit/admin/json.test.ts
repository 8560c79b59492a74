import { describe, expect, it } from 'vitest';
import { encodeService, serviceJson } from '../../../src/admin/json.ts';
import { claimKeys } from '../../../src/model/claims.ts';
import type { Registration } from '../../../src/model/service.ts';
import type { Service } from '../../../src/model/table.ts';
import { FakeAgent } from '../../support/admin.ts';
import { row } from '../../support/rows.ts';

/** The one service these rows make, holding the published port 8080. */
function serviceOf(rows: readonly Registration[]): Service {
  const agent = new FakeAgent();
  agent.setRows(...rows);
  const [{ key } = { key: '' }] = agent.table()?.services.values() ?? [];
  agent.change({ claims: new Map([[claimKeys.published('tcp', 8080), key]]) });
  const service = agent.table()?.services.get(key);
  if (service === undefined) throw new Error('no service');
  return service;
}

describe('encodeService', () => {
  const policy = {
    ports: [
      { name: 'http', port: 80, protocol: 'tcp', publish: 8080 },
      { name: 'metrics', port: 9000, protocol: 'tcp' },
    ],
    affinity: { kind: 'client-ip', timeoutMs: 10_800_000 },
  } as const;
  const shop = { policy, stack: 'shop' };
  const web = serviceOf([
    row('web', 'web-1', { ...shop, port: 3000 }),
    { ...row('web', 'web-2', { ...shop, state: 'critical' }), ports: new Map([['metrics', 9100]]) },
    { ...row('web', 'web-3', { ...shop, address6: 'fd00::3' }), ports: new Map() },
  ]);

  it("has the contract's fields, in its order, before any other", () => {
    const json = encodeService(web, new Map([['n1/web-1', 3]]));
    const head = (value: object, count: number) => Object.keys(value).slice(0, count);
    expect(head(json, 7)).toEqual(['name', 'stack', 'vip', 'ports', 'affinity', 'traffic', 'endpoints']);
    expect(head(json.ports[0] ?? {}, 4)).toEqual(['name', 'port', 'protocol', 'publish']);
    const fields = ['id', 'node', 'address', 'port', 'weight', 'state', 'reason', 'connections'];
    expect(head(json.endpoints[0] ?? {}, 8)).toEqual(fields);
  });

  it('spells policy as the configuration does, and what is not there as null', () => {
    expect(encodeService(web)).toMatchObject({ affinity: 'client-ip:3h', drain: '10s', vip6: null });
    expect(encodeService(serviceOf([row('db', 'db')]))).toMatchObject({ stack: null, affinity: 'none', vip: null });
    const affinity = { kind: 'client-ip' } as const;
    expect(encodeService(serviceOf([row('db', 'db', { policy: { affinity } })])).affinity).toBe('client-ip');
    expect(encodeService(web).ports.map(({ publish }) => publish)).toEqual([8080, null]);
  });

  it("gives the endpoint's port for the first of the service's ports that it has", () => {
    expect(encodeService(web).endpoints.map(({ port }) => port)).toEqual([3000, 9100, null]);
  });

  it('tells no connections from connections not counted', () => {
    const counted = encodeService(web, new Map([['n1/web-1', 3]]));
    expect(counted.endpoints.map(({ connections }) => connections)).toEqual([3, 0, 0]);
    expect(encodeService(web).endpoints.map(({ connections }) => connections)).toEqual([null, null, null]);
  });

  it('is what the client decodes', () => {
    const json = encodeService(web);
    expect(serviceJson.parse(JSON.parse(JSON.stringify(json)))).toEqual(json);
  });
});
