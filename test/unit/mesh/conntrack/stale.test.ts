import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { drainedFlows, type StaleFlows, staleFlows } from '../../../../src/mesh/conntrack/stale.ts';
import type { EndpointState } from '../../../../src/model/service.ts';
import type { Service } from '../../../../src/model/table.ts';
import { endpoint, inState, service } from '../../../support/dns-service.ts';

const a = endpoint('a', '10.1.1.1');
const b = endpoint('b', '10.1.1.2');
const udp = service([a, b]);
const tcp = service([a, b], { ports: [{ name: 'main', port: 53, protocol: 'tcp' }] });
const published = service([a, b], { ports: [{ name: 'main', port: 53, protocol: 'udp', publish: 5300 }] });

/** `udp 10.96.0.1:53 > 10.1.1.1:3000`, as short as a table needs. */
const text = ({ protocol, destination: to, translatedTo: by }: StaleFlows): string => {
  const where = to.kind === 'vip' ? `${to.address}:${to.port}` : `*${to.family}:${to.port}`;
  return `${protocol} ${where} > ${typeof by === 'string' ? by : `${by.address}:${by.port}`}`;
};

const of = (base: Service, ...endpoints: Service['endpoints'][number][]): Service => ({ ...base, endpoints });

describe('staleFlows', () => {
  it.each<[string, Service | undefined, Service | undefined, readonly string[]]>([
    ['nothing changed', udp, udp, []],
    ['an endpoint came', of(udp, a), udp, []],
    ['one became critical, UDP', udp, of(udp, inState(a, 'critical'), b), ['udp 10.96.0.1:53 > 10.1.1.1:3000']],
    ['one became critical, TCP', tcp, of(tcp, inState(a, 'critical'), b), ['tcp 10.96.0.1:53 > 10.1.1.1:3000']],
    ['one was removed', tcp, of(tcp, b), ['tcp 10.96.0.1:53 > 10.1.1.1:3000']],
    ['a warning changes nothing', tcp, of(tcp, inState(a, 'warning'), b), []],
    ['one drains', udp, of(udp, inState(a, 'draining'), b), []],
    ['one drained and died', of(udp, inState(a, 'draining'), b), of(udp, b), ['udp 10.96.0.1:53 > 10.1.1.1:3000']],
    ['the last one drains', of(udp, a), of(udp, inState(a, 'draining')), []],
    ['weight 0 keeps flows', udp, of(udp, { ...a, weight: 0 }, b), []],
    [
      'one moved to another address',
      udp,
      of(udp, { ...a, address: '10.1.1.9' }, b),
      ['udp 10.96.0.1:53 > 10.1.1.1:3000'],
    ],
    [
      'one listens elsewhere',
      tcp,
      of(tcp, { ...a, ports: new Map([['main', 1]]) }, b),
      ['tcp 10.96.0.1:53 > 10.1.1.1:3000'],
    ],
    ['another endpoint took over the same address', tcp, of(tcp, { ...a, id: 'n1/c' }, b), []],
    ['the last one died, UDP', of(udp, a), of(udp, inState(a, 'critical')), ['udp 10.96.0.1:53 > anything']],
    ['the last one died, TCP', of(tcp, a), of(tcp, inState(a, 'critical')), ['tcp 10.96.0.1:53 > 10.1.1.1:3000']],
    ['the service is gone', tcp, undefined, ['tcp 10.96.0.1:53 > 10.1.1.1:3000', 'tcp 10.96.0.1:53 > 10.1.1.2:3000']],
    ['a UDP service is new', undefined, udp, ['udp 10.96.0.1:53 > nothing']],
    ['a UDP service is new, without endpoints', undefined, of(udp), []],
    ['its first endpoint came', of(udp), of(udp, a), ['udp 10.96.0.1:53 > nothing']],
    ['a TCP service is new', undefined, tcp, []],
    ['a port is published', udp, published, ['udp *4:5300 > nothing']],
    ['a port is published no more', published, udp, ['udp *4:5300 > 10.1.1.1:3000', 'udp *4:5300 > 10.1.1.2:3000']],
    [
      'one of a published service died',
      published,
      of(published, b),
      ['udp 10.96.0.1:53 > 10.1.1.1:3000', 'udp *4:5300 > 10.1.1.1:3000'],
    ],
    ['the VIP changed', of(tcp, a), of({ ...tcp, vip: '10.96.0.2' }, a), ['tcp 10.96.0.1:53 > 10.1.1.1:3000']],
    ['no VIP yet', undefined, service([a], { vip: undefined }), []],
    [
      'IPv6 has its own flows',
      of({ ...tcp, vip6: 'fd96::1' }, { ...a, address6: 'fd01::1' }),
      of({ ...tcp, vip6: 'fd96::1' }, a),
      ['tcp fd96::1:53 > fd01::1:3000'],
    ],
  ])('%s', (_, before, after, expected) => {
    expect(staleFlows(before, after).map(text)).toEqual(expected);
  });

  it('never names flows to an endpoint that may keep them, and is silent without change', () => {
    const states = fc.constantFrom<EndpointState>('passing', 'warning', 'critical', 'draining');
    const endpoints = fc
      .uniqueArray(fc.tuple(fc.integer({ min: 1, max: 5 }), states), { selector: ([id]) => id })
      .map((list) => list.map(([id, state]) => inState(endpoint(`e${id}`, `10.1.1.${id}`), state)));
    fc.assert(
      fc.property(endpoints, endpoints, (had, has) => {
        const after = of(published, ...has);
        expect(staleFlows(after, after)).toEqual([]);
        const kept = has.filter(({ state }) => state !== 'critical').map(({ address }) => address);
        for (const { translatedTo } of staleFlows(of(published, ...had), after)) {
          if (typeof translatedTo === 'object') expect(kept).not.toContain(translatedTo.address);
          if (translatedTo === 'anything') expect(kept).toEqual([]);
        }
      }),
    );
  });
});

describe('drainedFlows', () => {
  it('names the flows of the one endpoint by every way', () => {
    const draining = inState(a, 'draining');
    expect(drainedFlows(of(published, draining, b), draining).map(text)).toEqual([
      'udp 10.96.0.1:53 > 10.1.1.1:3000',
      'udp *4:5300 > 10.1.1.1:3000',
    ]);
  });

  it('spares an address that another endpoint in rotation has too', () => {
    const draining = inState(a, 'draining');
    expect(drainedFlows(of(udp, draining, { ...a, id: 'n1/c' }), draining)).toEqual([]);
  });
});
