import { readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { describe, expect, it } from 'vitest';
import { execOk } from '../../../src/lib/exec.ts';
import { dockerdMissing, startDockerd } from '../../support/dockerd.ts';
import { NODE } from '../../support/images.ts';

const missing = await dockerdMissing();

describe.skipIf(missing !== undefined)(`a real Docker Engine by hand ${missing ?? ''}`, () => {
  it('serves a container inside its own network and leaves nothing behind', async () => {
    const docker = await startDockerd();
    const root = dirname(docker.socket);
    try {
      await docker.runWeb({ name: 'web', body: 'hello' });
      const address = await docker.addressOf('web');
      const answer = await docker.netns.run(
        process.execPath,
        '-e',
        `fetch('http://${address}/').then((r) => r.text()).then(console.log)`,
      );
      expect(answer.trim()).toBe('hello');
      await docker.stop('SIGKILL');
    } finally {
      await docker.remove();
    }
    expect(await readFile('/proc/self/mounts', 'utf8')).not.toContain(root);
    expect((await execOk('ps', ['-eo', 'args'])).stdout).not.toContain(root);
    expect((await execOk('ip', ['netns', 'list'])).stdout).not.toContain(docker.netns.name);
  });

  it('runs Node in a container', async () => {
    await using docker = await startDockerd();
    await docker.importNode();
    const id = await docker.run({ image: NODE, command: ['node', '-e', 'process.exit(6 * 7)'] });
    expect(await docker.api('POST', `/containers/${id}/wait`)).toMatchObject({ StatusCode: 42 });
  });
});
