/** A mesh that changes a thousand services as fast as it can, until it is killed: `node meshchild-main.ts NAMESPACE`. */

import { many } from './many.ts';
import { RunningMesh } from './world.ts';

const [, , namespace = ''] = process.argv;
const running = new RunningMesh(['ip', 'netns', 'exec', namespace, 'nft']);
for (let round = 0; ; round++) {
  await running.apply(...many(1000, 1 + (round % 4)));
  process.stdout.write(`${round}\n`);
}
