// The import rules of ARCHITECTURE.md, part of `npm run check`.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { importErrors } from './lib/imports.mjs';
import { root } from './lib/program.mjs';

const files = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' }).filter((file) =>
  file.endsWith('.ts'),
);
const errors = files.flatMap((file) => importErrors(file, readFileSync(join(root, 'src', file), 'utf8')));
for (const error of errors) console.error(error);
process.exitCode = errors.length === 0 ? 0 : 1;
