/**
 * A process that writes to an embedded registry as fast as it can, until it is killed:
 * `node registry-hammer.ts <dataDir> <first number>`. After each write that was acknowledged it prints its number.
 */
import { writeSync } from 'node:fs';
import { startEmbedded } from './embedded.ts';
import { row } from './rows.ts';

const [dataDir = '', first = '1'] = process.argv.slice(2);
const { registry, picture } = startEmbedded(dataDir);
await picture();
for (let n = Number(first); ; n++) {
  // Every row carries the number: a write that is half there would show as rows that disagree.
  await registry.register(Array.from({ length: 20 }, (_, i) => ({ ...row('web', `e${i}:80`), reason: String(n) })));
  await registry.claim([
    new Map([
      [`vip/name/s${n}`, String(n)],
      [`vip/addr/${n}`, `s${n}`],
    ]),
  ]);
  if (n > 1)
    await registry.release(
      new Map([
        [`vip/name/s${n - 1}`, String(n - 1)],
        [`vip/addr/${n - 1}`, `s${n - 1}`],
      ]),
    );
  writeSync(1, `${n}\n`);
}
