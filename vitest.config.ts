import { defineConfig } from 'vitest/config';

const project = (name: string, testTimeout: number, parallel: boolean) => ({
  test: {
    name,
    include: [`test/${name}/**/*.test.ts`],
    testTimeout,
    hookTimeout: Math.max(testTimeout, 60_000),
    fileParallelism: parallel,
    pool: 'forks' as const,
    // The pure suites keep no state in modules: loading those once a worker halves the time.
    isolate: name !== 'unit',
  },
});

// Everything but the pure suites shares the machine's kernel (namespaces, dockerd), so its files run one after another.
// biome-ignore lint/style/noDefaultExport: the shape vitest asks for
export default defineConfig({
  test: {
    projects: [
      project('unit', 10_000, true),
      project('contract', 30_000, true),
      project('integration', 120_000, false),
    ],
  },
});
