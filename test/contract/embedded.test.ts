import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../../src/lib/clock.ts';
import { silentLogger } from '../../src/lib/logger.ts';
import { EmbeddedRegistry } from '../../src/registry/embedded/embedded.ts';
import { registryContract } from './registry.ts';

const makeBackend = async () => {
  const dataDir = await mkdtemp(join(tmpdir(), 'fairlead-registry-'));
  return {
    create: (name: string) =>
      new EmbeddedRegistry({
        dataDir,
        node: { name, address: '192.168.50.11' },
        version: '0.1.0',
        clock: systemClock,
        log: silentLogger,
      }),
    remove: () => rm(dataDir, { recursive: true }),
  };
};

registryContract('embedded', { cluster: false, makeBackend });
