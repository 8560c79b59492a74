import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { newerNode } from '../../../src/cli/newer-node.ts';

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fairlead-runtime-'));
});

afterEach(() => rm(folder, { recursive: true }));

it.each(['22.18.0', '22.19.1', '24.0.0', '26.1.2'])('runs on Node %s', (version) => {
  expect(newerNode(version, pathToFileURL(`${folder}/`))).toBeUndefined();
});

it.each(['18.19.1', '20.20.2', '22.17.9'])('hands over from Node %s to the one brought along', async (version) => {
  const bin = join(folder, `node_modules/node-linux-${process.arch}/bin`);
  await mkdir(bin, { recursive: true });
  await writeFile(join(bin, 'node'), '');
  expect(newerNode(version, pathToFileURL(`${folder}/`))).toBe(join(bin, 'node'));
});

it('says what to do where there is none', () => {
  expect(() => newerNode('20.20.2', pathToFileURL(`${folder}/`))).toThrow(
    expect.objectContaining({ code: 'node-too-old', remedy: expect.stringContaining('npm run build') }),
  );
});
