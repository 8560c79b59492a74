import { describe, expect, it } from 'vitest';
import { importErrors } from '../../../scripts/lib/imports.mjs';

describe('import rules', () => {
  it.each([
    ['model/table.ts', `import type { Service } from './service.ts';`],
    ['lib/exec.ts', `import { spawn } from 'node:child_process';`],
    ['demo/demo.ts', `import type { ChildProcess } from 'node:child_process';`],
    ['dns/zone/answer.ts', `import { x } from '../wire/name.ts';\nimport { y } from '../../model/names.ts';`],
    ['dns/server.ts', `import { Packet } from 'dns2';`],
    ['agent.ts', `import { Zone } from './dns/zone/zone.ts';\nimport { Mesh } from './mesh/mesh.ts';`],
    ['dns/a.ts', `const from = 'x';\nconst text = "import { a } from '../mesh/b.ts'";`],
  ])('allow in %s: %s', (file, source) => {
    expect(importErrors(file, source)).toEqual([]);
  });

  it.each([
    ['model/table.ts', `import { createHash } from 'node:crypto';`, 'the model imports nothing'],
    ['model/table.ts', `import { Clock } from '../lib/clock.ts';`, 'model may import itself'],
    ['lib/clock.ts', `import pino from 'pino';`, 'lib uses no packages'],
    ['lib/clock.ts', `import type { Service } from '../model/service.ts';`, 'lib may import itself'],
    ['dns/zone/answer.ts', `import { plan } from '../../mesh/plan.ts';`, 'dns may import itself, model, lib'],
    ['dns/server.ts', `export { diff } from '../registry/diff.ts';`, 'dns may import itself, model, lib'],
    ['mesh/apply.ts', `import {\n  diff,\n  type Row,\n} from '../registry/diff.ts';`, 'mesh may import itself'],
    ['registry/diff.ts', `const { x } = await import('../containers/file.ts');`, 'registry may import itself'],
    ['health/checker.ts', `import '../dns/server.ts';`, 'health may import itself'],
    ['mesh/apply.ts', `import { spawn } from 'node:child_process';`, 'programs are started through src/lib/exec.ts'],
    ['newcomer/a.ts', `import { x } from '../lib/clock.ts';`, 'newcomer has no rule yet'],
  ])('refuse in %s: %s', (file, source, reason) => {
    expect(importErrors(file, source)).toEqual([expect.stringContaining(reason)]);
  });
});
