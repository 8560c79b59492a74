import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

/** Files of this folder that are no area of their own. */
const SHARED = new Set(['main.ts', 'report.ts']);

const areas = readdirSync(import.meta.dirname)
  .filter((file) => file.endsWith('.ts') && !SHARED.has(file))
  .map((file) => file.slice(0, -'.ts'.length))
  .sort();

const wanted = process.argv.slice(2).filter((argument) => !argument.startsWith('-'));
const unknown = wanted.find((area) => !existsSync(join(import.meta.dirname, `${area}.ts`)));
if (unknown !== undefined) {
  console.error(`there is no benchmark "${unknown}"; there are: ${areas.join(', ')}`);
  process.exit(2);
}
for (const area of wanted.length > 0 ? wanted : areas) {
  const { run } = (await import(`./${area}.ts`)) as { run: () => Promise<void> };
  await run();
}
