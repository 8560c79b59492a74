import { expect, it } from 'vitest';
import { portsWithoutHairpin } from '../../../../src/mesh/host/hairpin.ts';
import { decodeInterfaces } from '../../../../src/mesh/host/interfaces.ts';

const port = (ifname: string, master: string, hairpin: boolean, kind = 'bridge') => ({
  ifname,
  master,
  addr_info: [],
  linkinfo: { info_kind: 'veth', info_slave_kind: kind, info_slave_data: { hairpin } },
});

it("names the ports of containers' bridges that are not in hairpin mode", () => {
  const interfaces = decodeInterfaces([
    port('veth1', 'docker0', false),
    port('veth2', 'docker0', true),
    port('veth3', 'br-lan', false),
    port('eth1', 'bond0', false, 'bond'),
    { ...port('eth2', 'docker0', false), linkinfo: { info_slave_kind: 'bridge', info_slave_data: { hairpin: false } } },
    { ifname: 'docker0', addr_info: [] },
  ]);
  expect(portsWithoutHairpin(interfaces, [{ name: 'docker0' }, { name: 'bond0' }])).toEqual(['veth1']);
});
