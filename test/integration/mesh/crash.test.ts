import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { spawnProgram } from '../../../src/lib/exec.ts';
import { createNetns } from '../../support/netns.ts';
import { many } from './many.ts';
import { RunningMesh } from './world.ts';

const MAIN = fileURLToPath(new URL('./meshchild-main.ts', import.meta.url));

test.each([0, 7, 19, 42])(
  'killed with -9, %d ms into a change of a thousand services: the next process puts it right',
  async (ms) => {
    await using host = await createNetns('host');
    const child = spawnProgram(process.execPath, [MAIN, host.name]);
    child.stderr.pipe(process.stderr);
    await once(child.stdout, 'data');
    await new Promise((resolve) => setTimeout(resolve, ms));
    child.kill('SIGKILL');
    await once(child, 'exit');
    await using running = new RunningMesh(['ip', 'netns', 'exec', host.name, 'nft']);
    await running.apply(...many(1000, 3));
    expect(await running.mesh.check()).toEqual([]);
  },
);
