import { describe } from 'vitest';
import { describeDockerSource } from '../../contract/docker-source.ts';
import { dockerdMissing, startDockerd } from '../../support/dockerd.ts';
import { textField } from '../../support/engine-control.ts';

const missing = await dockerdMissing();

describe.skipIf(missing !== undefined)(`with a real Docker Engine ${missing ?? ''}`, () => {
  describeDockerSource('DockerSource on dockerd', async () => {
    const docker = await startDockerd({ flags: ['--live-restore'] });
    return {
      control: docker,
      setHealthy: async (id, healthy) => {
        const command = healthy ? ['/bin/touch', '/tmp/healthy'] : ['/bin/rm', '/tmp/healthy'];
        const exec = await docker.api('POST', `/containers/${id}/exec`, { Cmd: command });
        await docker.api('POST', `/exec/${textField(exec, 'Id')}/start`, { Detach: true });
      },
      kill: () => docker.stop('SIGKILL'),
      start: () => docker.start(),
      [Symbol.asyncDispose]: () => docker.remove(),
    };
  });
});
