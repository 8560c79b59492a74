import { renameSync } from 'node:fs';
import type { DatabaseSync } from 'node:sqlite';
import { describeError, FairleadError } from '../../lib/errors.ts';
import type { EndpointId, Problem } from '../../model/service.ts';
import { openDatabase, SQLITE, sqliteCode } from './sqlite.ts';

/** Of the file as a whole; a newer one than this agent knows is not touched. */
const SCHEMA_VERSION = 1;

const SCHEMA = `
  CREATE TABLE registration (id TEXT PRIMARY KEY, body TEXT NOT NULL) WITHOUT ROWID;
  CREATE TABLE claim (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
  PRAGMA user_version = ${SCHEMA_VERSION};
`;

const TABLES = 2;

export interface StoredRow {
  readonly id: EndpointId;
  readonly body: string;
}

/** What a store holds when it is opened. */
export interface Stored {
  readonly rows: readonly StoredRow[];
  readonly claims: ReadonlyMap<string, string>;
  /** A file that had to be set aside. */
  readonly problems: readonly Problem[];
}

/** One transaction: what is set and what is removed. */
export interface Write<T> {
  readonly set: readonly T[];
  readonly remove: readonly string[];
}

/**
 * The registry's one file, held exclusively: what is read at the start and written since is all there is.
 *
 * Claims are written with `synchronous=FULL`: once told, an address or a secret must survive a power cut. Rows need
 * only survive this process (`NORMAL`: no fsync): after a power cut the sources declare them afresh. An interrupted
 * write is never half there in either case, which is WAL's doing.
 */
export class Store {
  readonly #database: DatabaseSync;

  private constructor(database: DatabaseSync) {
    this.#database = database;
  }

  /**
   * Opens or creates the file. One that is damaged, no database, or of a newer schema is renamed to
   * `<path>.corrupt-<timestamp>` and a new one begun. Throws `data-dir-in-use` while another process has it open.
   */
  static open(path: string, now: number): { readonly store: Store; readonly stored: Stored } {
    const damage = Store.#tryOpen(path);
    if (typeof damage !== 'string') return damage;
    const aside = `${path}.corrupt-${new Date(now).toISOString().replaceAll(/[-:]|\.\d+/g, '')}`;
    setAside(path, aside);
    const opened = Store.#tryOpen(path);
    if (typeof opened === 'string') throw new FairleadError('registry-unavailable', `${path}: ${opened}`);
    const problem = {
      code: 'registry-set-aside',
      subject: `registry ${path}`,
      message: `${damage}; it is kept as ${aside} and a new one was begun from what runs here. Virtual addresses are assigned anew, drains and secrets are lost`,
    };
    return { store: opened.store, stored: { ...opened.stored, problems: [problem] } };
  }

  /** The opened store, or what is wrong with the file. */
  static #tryOpen(path: string): { readonly store: Store; readonly stored: Stored } | string {
    let database: DatabaseSync | undefined;
    try {
      database = openDatabase(path);
      const store = new Store(database);
      return { store, stored: store.#load() };
    } catch (error) {
      if (database?.isOpen) database.close();
      switch (sqliteCode(error)) {
        case SQLITE.BUSY:
          throw new FairleadError('data-dir-in-use', `another process has ${path} open`, {
            remedy: 'stop the other agent, or give this one a dataDir of its own',
            cause: error,
          });
        case SQLITE.NOTADB:
        case SQLITE.CORRUPT:
          return `the file is damaged (${describeError(error)})`;
      }
      if (error instanceof UnusableFile) return error.message;
      throw new FairleadError('registry-unavailable', `${path} could not be opened`, { cause: error });
    }
  }

  #load(): Stored {
    const database = this.#database;
    // Exclusive before anything is read: no shared memory file, and the lock is ours until the process ends.
    database.exec('PRAGMA locking_mode = EXCLUSIVE');
    // Looked at before the first byte is written: a file that is not ours is set aside as it was.
    const version = number(database.prepare('PRAGMA user_version').get(), 'user_version');
    const tables = number(database.prepare('SELECT count(*) AS tables FROM sqlite_schema').get(), 'tables');
    if (version > SCHEMA_VERSION) {
      throw new UnusableFile(`the file was written by a newer version of fairlead (schema ${version})`);
    }
    if (tables !== (version === 0 ? 0 : TABLES)) throw new UnusableFile('the file is a database of something else');
    database.exec('PRAGMA journal_mode = WAL; BEGIN IMMEDIATE');
    if (version === 0) database.exec(SCHEMA);
    database.exec('COMMIT');
    const verdict = database.prepare('PRAGMA quick_check(1)').get()?.quick_check;
    if (verdict !== 'ok') throw new UnusableFile(`the file is damaged (${verdict})`);
    const rows = database.prepare('SELECT id, body FROM registration').all();
    const claims = database.prepare('SELECT key, value FROM claim').all();
    return {
      rows: rows.map(({ id, body }) => ({ id: String(id), body: String(body) })),
      claims: new Map(claims.map(({ key, value }) => [String(key), String(value)])),
      problems: [],
    };
  }

  writeRows({ set, remove }: Write<StoredRow>): void {
    this.#transaction('NORMAL', () => {
      const put = this.#database.prepare('INSERT OR REPLACE INTO registration (id, body) VALUES (?, ?)');
      const drop = this.#database.prepare('DELETE FROM registration WHERE id = ?');
      for (const id of remove) drop.run(id);
      for (const { id, body } of set) put.run(id, body);
    });
  }

  writeClaims({ set, remove }: Write<readonly [key: string, value: string]>): void {
    this.#transaction('FULL', () => {
      const put = this.#database.prepare('INSERT OR REPLACE INTO claim (key, value) VALUES (?, ?)');
      const drop = this.#database.prepare('DELETE FROM claim WHERE key = ?');
      for (const key of remove) drop.run(key);
      for (const [key, value] of set) put.run(key, value);
    });
  }

  close(): void {
    this.#database.close();
  }

  #transaction(synchronous: 'NORMAL' | 'FULL', work: () => void): void {
    const database = this.#database;
    try {
      database.exec(`PRAGMA synchronous = ${synchronous}; BEGIN IMMEDIATE`);
      work();
      database.exec('COMMIT');
    } catch (cause) {
      // A full disk may have rolled back already.
      if (database.isTransaction) database.exec('ROLLBACK');
      throw new FairleadError('registry-unavailable', 'the registry could not be written', { cause });
    }
  }
}

/** The file can be read, but not be used. */
class UnusableFile extends Error {}

function setAside(path: string, aside: string): void {
  for (const suffix of ['', '-wal', '-shm']) {
    try {
      renameSync(`${path}${suffix}`, `${aside}${suffix}`);
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error;
    }
  }
}

function number(row: Record<string, unknown> | undefined, column: string): number {
  const value = row?.[column];
  return typeof value === 'number' ? value : 0;
}
