import { startFakeEngine } from '../support/engine.ts';
import { describeDockerSource } from './docker-source.ts';

describeDockerSource('DockerSource on the fake Engine', async () => {
  const engine = await startFakeEngine();
  engine.docker.command = ([program]) => (program === '/bin/sleep' ? 'hang' : [3, 'hello\n']);
  return {
    control: engine,
    setHealthy: async (id, healthy) => engine.docker.setHealth(id, healthy ? 'healthy' : 'unhealthy'),
    kill: () => engine.stop(),
    start: () => engine.start(),
    [Symbol.asyncDispose]: () => engine.remove(),
  };
});
