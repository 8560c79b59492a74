import { readFileSync } from 'node:fs';

/** This program's version, from its package.json, which stands two folders above in the sources and in what is built. */
export function readVersion(): string {
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
    version: string;
  };
  return version;
}
