import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { neededParameters, Parameters } from '../../../../src/mesh/host/parameters.ts';
import { Sysctl } from '../../../../src/mesh/host/sysctl.ts';

describe('neededParameters', () => {
  it('without IPv6', () => {
    expect(neededParameters({ links: ['docker0', 'eth0'], ipv6: false, advertised: ['eth0'] })).toEqual([
      ['net/ipv4/ip_forward', '1'],
      ['net/ipv4/conf/docker0/route_localnet', '1'],
      ['net/ipv4/conf/eth0/route_localnet', '1'],
    ]);
  });

  it('with IPv6: what keeps advertised routes comes before forwarding', () => {
    expect(neededParameters({ links: ['docker0'], ipv6: true, advertised: ['eth0'] })).toEqual([
      ['net/ipv4/ip_forward', '1'],
      ['net/ipv4/conf/docker0/route_localnet', '1'],
      ['net/ipv6/conf/eth0/accept_ra', '2'],
      ['net/ipv6/conf/all/forwarding', '1'],
    ]);
  });
});

describe('Parameters', () => {
  let root: string;
  let dataDir: string;
  let parameters: Parameters;
  const FORWARD = 'net/ipv4/ip_forward';
  const LOCALNET = 'net/ipv4/conf/docker0/route_localnet';

  const set = async (path: string, value: string) => {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), `${value}\n`);
  };
  const get = async (path: string) => (await readFile(join(root, path), 'utf8')).trim();
  const journalFile = () => join(dataDir, 'host-journal.json');
  const restart = () => {
    parameters = new Parameters(new Sysctl(root), dataDir);
  };

  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'fairlead-sys-'));
    dataDir = join(root, 'data');
    await set('kernel/random/boot_id', 'boot-1');
    await set(FORWARD, '0');
    await set(LOCALNET, '0');
    restart();
  });

  afterEach(async () => await rm(root, { recursive: true }));

  it('sets, keeps over a restart, and puts back', async () => {
    await parameters.apply([[FORWARD, '1']]);
    restart();
    await parameters.apply([[FORWARD, '1']]);
    expect([await get(FORWARD), parameters.repairs]).toEqual(['1', 0]);
    await parameters.undo();
    expect(await get(FORWARD)).toBe('0');
  });

  it('does not take over what already was so', async () => {
    await set(FORWARD, '1');
    await parameters.apply([[FORWARD, '1']]);
    await parameters.undo();
    expect(await get(FORWARD)).toBe('1');
  });

  it('leaves alone what has another value by now', async () => {
    await parameters.apply([[FORWARD, '1']]);
    await set(FORWARD, '2');
    await parameters.undo();
    expect(await get(FORWARD)).toBe('2');
  });

  it('puts right what was changed back, and counts it', async () => {
    await parameters.apply([[FORWARD, '1']]);
    await set(FORWARD, '0');
    await parameters.apply([[FORWARD, '1']]);
    expect([await get(FORWARD), parameters.repairs]).toEqual(['1', 1]);
  });

  it('puts back what is no longer wanted', async () => {
    await parameters.apply([
      [FORWARD, '1'],
      [LOCALNET, '1'],
    ]);
    await parameters.apply([[FORWARD, '1']]);
    expect(await get(LOCALNET)).toBe('0');
    expect(await parameters.recorded()).toEqual([FORWARD]);
  });

  it('forgets an interface that is gone: one of the same name starts afresh', async () => {
    await parameters.apply([[LOCALNET, '1']]);
    await rm(join(root, LOCALNET));
    await parameters.apply([[LOCALNET, '1']]);
    await set(LOCALNET, '1');
    await parameters.apply([[LOCALNET, '1']]);
    await parameters.undo();
    expect(await get(LOCALNET)).toBe('1');
  });

  it('killed after recording, before changing: undone is unchanged, applied is set', async () => {
    await parameters.apply([[FORWARD, '1']]);
    await set(FORWARD, '0');
    restart();
    await parameters.undo();
    expect(await get(FORWARD)).toBe('0');
    await parameters.apply([[FORWARD, '1']]);
    expect(await get(FORWARD)).toBe('1');
  });

  it('forgets everything after a reboot', async () => {
    await parameters.apply([[FORWARD, '1']]);
    await set('kernel/random/boot_id', 'boot-2');
    restart();
    await parameters.undo();
    expect(await get(FORWARD)).toBe('1');
  });

  it('puts back what the kernel changes along with forwarding', async () => {
    await set('net/ipv4/conf/eth0/forwarding', '1');
    await set('net/ipv4/conf/eth1/forwarding', '0');
    await set('net/ipv4/conf/all/accept_redirects', '0');
    await parameters.apply([[FORWARD, '1']]);
    const [change] = JSON.parse(await readFile(journalFile(), 'utf8')).sysctls;
    expect(change.disturbed).toEqual({
      'net/ipv4/conf/eth0/forwarding': '1',
      'net/ipv4/conf/all/accept_redirects': '0',
    });
    await set('net/ipv4/conf/eth0/forwarding', '0');
    await parameters.undo();
    expect(await get('net/ipv4/conf/eth0/forwarding')).toBe('1');
  });

  it.each(['', '{', '{"version":2}', '{"version":1,"boot":"boot-1","sysctls":[{"path":"x"}]}'])(
    'a broken journal changes nothing and says which file: %s',
    async (content) => {
      await mkdir(dataDir, { recursive: true });
      await writeFile(journalFile(), content);
      await expect(parameters.apply([[FORWARD, '1']])).rejects.toMatchObject({ code: 'host-journal' });
      await expect(parameters.undo()).rejects.toMatchObject({ message: expect.stringContaining(journalFile()) });
      expect(await get(FORWARD)).toBe('0');
    },
  );
});
