import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { execOk } from '../../../src/lib/exec.ts';
import { type Dockerd, dockerdMissing, startDockerd } from '../../support/dockerd.ts';
import { eventually } from '../../support/eventually.ts';
import { requires } from '../../support/requires.ts';
import { importStandIn } from '../../support/standin.ts';

const CHECKOUT = fileURLToPath(new URL('../../..', import.meta.url));
const IMAGE = 'fairlead:test';

const suite = await requires({
  root: true,
  commands: ['docker', 'npm', 'nft', 'conntrack', 'iptables', 'curl'],
  lacks: await dockerdMissing(),
});

suite('the Dockerfile', () => {
  let docker: Dockerd;

  beforeAll(async () => {
    docker = await startDockerd();
    await importStandIn(docker);
  }, 300_000);
  afterAll(() => docker?.remove());

  /** The user's own command line, on this Engine. */
  const cli = async (...args: readonly string[]): Promise<string> =>
    (await execOk('env', ['DOCKER_BUILDKIT=0', 'docker', '--host', docker.host, ...args], { timeoutMs: 300_000 }))
      .stdout;

  it('builds, and runs with the host network and NET_ADMIN', async () => {
    await cli('build', '--tag', IMAGE, CHECKOUT);
    // As its head says, but for the paths of this Engine.
    const id = await cli(
      ...['run', '--detach', '--network=host', '--cap-add=NET_ADMIN', '--security-opt=systempaths=unconfined'],
      ...[`--volume=${docker.socket}:/var/run/docker.sock`, IMAGE, 'agent', '--demo'],
    );
    const container = id.trim();
    const ready = ['--silent', '--fail', 'http://127.0.0.1:7470/readyz'];
    await eventually(
      'ready',
      async () => {
        if ((await docker.netns.exec('curl', ready)).exitCode === 0) return true;
        if (await cli('ps', '--quiet')) return false;
        throw new Error(await cli('logs', container));
      },
      20_000,
    );
    expect(await cli('exec', container, 'fairlead', 'status')).toContain('nftables');
    expect(await docker.netns.run('curl', '--silent', '--fail', 'http://127.0.0.1:8080/')).toMatch(
      /^hello from hello-\d/,
    );
    expect(await docker.netns.run('nft', 'list', 'tables')).toContain('table ip fairlead');
    await cli('stop', container);
    expect(await cli('inspect', '--format={{.State.ExitCode}}', container)).toBe('0\n');
    expect(await docker.netns.run('nft', 'list', 'tables')).toContain('table ip fairlead');
  }, 300_000);
});
