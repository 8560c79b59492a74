import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { options } from '../../../src/config/options.ts';
import { renderReference } from '../../../src/config/reference.ts';
import { configSchema } from '../../../src/config/schema.ts';
import { unsupported } from '../../../src/config/unsupported.ts';

test('docs/configuration.md is what the schema says; else run: node scripts/reference.mjs', async () => {
  const written = await readFile(new URL('../../../docs/configuration.md', import.meta.url), 'utf8');
  expect(written).toBe(renderReference());
});

test('every option has a help, and a default or words on what happens without it', () => {
  for (const option of options) expect(option.help, option.key).toMatch(/\.$|see below/);
  const silent = options.filter((option) => option.default === undefined && option.path[1] !== 'consul');
  expect(silent.map(({ key }) => key)).toEqual(['node.name', 'node.address', 'node.zone']);
});

test('the spelling in the environment is unambiguous', () => {
  expect(new Set(options.map(({ variable }) => variable)).size).toBe(options.length);
  expect(options.find(({ key }) => key === 'dns.listen')?.variable).toBe('FAIRLEAD_DNS_LISTEN');
  expect(options.find(({ key }) => key === 'mesh.cleanupOnExit')?.variable).toBe('FAIRLEAD_MESH_CLEANUP_ON_EXIT');
});

test('every default is a valid value, and each option of the output is listed', () => {
  const config: unknown = configSchema.parse({});
  for (const { path, default: byDefault } of options) {
    if (byDefault === undefined) continue;
    const value = path.reduce<unknown>((at, key) => (at as Record<string, unknown>)[key], config);
    expect(value, path.join('.')).toBeDefined();
  }
});

test('what is not there yet names options there are', () => {
  const keys = new Set(options.map(({ key }) => key));
  for (const { path } of unsupported) expect(keys).toContain(path.join('.'));
});
