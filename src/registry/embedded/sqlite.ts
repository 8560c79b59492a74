import type { DatabaseSync } from 'node:sqlite';

/** Result codes of SQLite (https://www.sqlite.org/rescode.html), without their extended upper bits. */
export const SQLITE = { BUSY: 5, CORRUPT: 11, NOTADB: 26 } as const;

/** The primary result code of an error of SQLite's; undefined for any other error. */
export function sqliteCode(error: unknown): number | undefined {
  if (!(error instanceof Error) || !('errcode' in error)) return undefined;
  return typeof error.errcode === 'number' ? error.errcode & 0xff : undefined;
}

/**
 * Opens a database file. SQLite is loaded here and not before, so that an agent with another registry does without;
 * where this Node still calls it experimental, it says so to nobody who could do anything about it.
 */
export function openDatabase(path: string): DatabaseSync {
  const emitWarning = process.emitWarning;
  process.emitWarning = () => {};
  try {
    // Synchronous, so that no other warning falls into the gap.
    const { DatabaseSync } = process.getBuiltinModule('node:sqlite');
    return new DatabaseSync(path, { timeout: 0 });
  } finally {
    process.emitWarning = emitWarning;
  }
}
