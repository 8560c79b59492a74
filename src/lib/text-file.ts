import { open } from 'node:fs/promises';
import { FairleadError } from './errors.ts';

/** More than any list of services needs; what is larger is not the file that was meant. */
const MAX_BYTES = 64 * 1024 * 1024;

/**
 * A file's text, UTF-8, its byte order mark left out.
 * Throws the system's error where it cannot be read, and `file-too-large`, `file-not-regular` or `file-not-utf8`.
 */
export async function readTextFile(path: string, maxBytes = MAX_BYTES): Promise<string> {
  await using file = await open(path, 'r');
  const stat = await file.stat();
  if (!stat.isFile()) throw new FairleadError('file-not-regular', `${path} is not a file`);
  if (stat.size > maxBytes) {
    throw new FairleadError('file-too-large', `${path} has ${stat.size} bytes, ${maxBytes} are allowed`);
  }
  const bytes = await file.readFile();
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new FairleadError('file-not-utf8', `${path} is not UTF-8 text`, { remedy: 'save it as UTF-8', cause });
  }
}
