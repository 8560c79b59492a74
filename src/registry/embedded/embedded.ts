import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { Backoff } from '../../lib/backoff.ts';
import type { Clock } from '../../lib/clock.ts';
import { describeError, errorCode, FairleadError } from '../../lib/errors.ts';
import { Latest } from '../../lib/latest.ts';
import type { Logger } from '../../lib/logger.ts';
import type { EndpointId, Problem, Registration } from '../../model/service.ts';
import type { ClusterNode } from '../../model/table.ts';
import { decodeRow, encodeRow } from '../codec.ts';
import { diffRows, type RowChange } from '../diff.ts';
import { applyChanges } from '../grouping.ts';
import type { Claim, ClaimOutcome, Picture, Registry, RegistryStatus } from '../registry.ts';
import { Store, type Stored } from './store.ts';

export interface EmbeddedOptions {
  readonly dataDir: string;
  /** This node, the only one there is. */
  readonly node: { readonly name: string; readonly address: string; readonly zone?: string };
  readonly version: string;
  readonly clock: Clock;
  readonly log: Logger;
}

/**
 * The registry of a single host, in one file: the default. The picture in memory is the truth and the file its copy
 * for the next process, so reading never waits, and a disk that cannot be written stops changes but serves on.
 */
export class EmbeddedRegistry implements Registry {
  readonly kind = 'embedded';
  readonly #options: EmbeddedOptions;
  readonly #path: string;
  readonly #picture = new Latest<Picture>();
  /** Rows by id as this process last knew them: as stored, or the equal object of the last `register`. */
  #known = new Map<EndpointId, Registration>();
  /** The set of the last `register`. */
  #registered: readonly Registration[] = [];
  /** Ids of stored rows that could not be understood; the first `register` removes them like all others. */
  #unread: readonly EndpointId[] = [];
  #store: Store | undefined;
  #lastSync: number | undefined;
  #error: string | undefined;

  constructor(options: EmbeddedOptions) {
    this.#options = options;
    this.#path = join(options.dataDir, 'registry.db');
  }

  /** Rejects with `data-dir-in-use` or `data-dir-unusable`; whatever may pass, such as a full disk, is tried again. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#options;
    const backoff = new Backoff({ minMs: 100, maxMs: 10_000 });
    while (!signal.aborted && this.#store === undefined) {
      try {
        this.#open();
      } catch (error) {
        if (FATAL.has(errorCode(error) ?? '')) throw error;
        const retryInMs = backoff.next();
        this.#error = describeError(error);
        log.warn({ path: this.#path, error: this.#error, retryInMs: Math.round(retryInMs) }, 'registry not opened');
        await clock.sleep(retryInMs, signal);
      }
    }
    await new Promise<void>((resolve) => {
      if (signal.aborted) resolve();
      else signal.addEventListener('abort', () => resolve(), { once: true });
    });
    this.#store?.close();
    this.#store = undefined;
  }

  async register(rows: readonly Registration[]): Promise<void> {
    const { store, picture } = this.#ready();
    const { changes, renewed } = diffRows(this.#known, rows, this.#registered);
    // After a failure even an empty write is made: it tells whether the file works again.
    if (changes.length > 0 || this.#unread.length > 0 || this.#error !== undefined) {
      const removed = changes.filter((change) => change.kind === 'remove').map((change) => change.before.id);
      const set = changes.flatMap((change) =>
        change.kind === 'remove' ? [] : [{ id: change.after.id, body: encodeRow(change.after) }],
      );
      this.#write(() => store.writeRows({ set, remove: [...this.#unread, ...removed] }));
      this.#unread = [];
      this.#remember(changes);
      const problems = picture.problems.filter((problem) => problem.code !== 'registry-row');
      this.#publish({
        ...picture,
        rows: applyChanges(picture.rows, changes),
        problems: problems.length === picture.problems.length ? picture.problems : problems,
      });
    }
    for (const row of renewed) this.#known.set(row.id, row);
    this.#registered = rows;
  }

  watch(signal: AbortSignal): AsyncIterable<Picture> {
    return this.#picture.watch(signal);
  }

  async claim(claims: readonly Claim[]): Promise<readonly ClaimOutcome[]> {
    const { store, picture } = this.#ready();
    const next = new Map(picture.claims);
    const set: [string, string][] = [];
    const outcomes = claims.map((claim): ClaimOutcome => {
      const held = new Map<string, string>();
      for (const [key, value] of claim) {
        const holder = next.get(key);
        if (holder !== undefined && holder !== value) held.set(key, holder);
      }
      if (held.size > 0) return { won: false, held };
      for (const [key, value] of claim) if (!next.has(key)) set.push([key, value]);
      for (const [key, value] of claim) next.set(key, value);
      return { won: true };
    });
    if (set.length > 0) {
      this.#write(() => store.writeClaims({ set, remove: [] }));
      this.#publish({ ...picture, claims: next });
    }
    return outcomes;
  }

  async release(keys: Claim): Promise<void> {
    const { store, picture } = this.#ready();
    const remove = [...keys].filter(([key, value]) => picture.claims.get(key) === value).map(([key]) => key);
    if (remove.length === 0) return;
    this.#write(() => store.writeClaims({ set: [], remove }));
    const next = new Map(picture.claims);
    for (const key of remove) next.delete(key);
    this.#publish({ ...picture, claims: next });
  }

  status(): RegistryStatus {
    const connected = this.#store !== undefined && this.#error === undefined;
    // Nobody else writes the file: while it is ours, the picture is as new as can be.
    const lastSync = connected ? this.#options.clock.now() : this.#lastSync;
    return {
      connected,
      ...(lastSync === undefined ? {} : { lastSync }),
      ...(this.#error === undefined ? {} : { error: this.#error }),
    };
  }

  #open(): void {
    const { dataDir, clock, log } = this.#options;
    try {
      mkdirSync(dataDir, { recursive: true, mode: 0o700 });
    } catch (cause) {
      if (!UNUSABLE.has(errorCode(cause) ?? '')) throw cause;
      throw new FairleadError('data-dir-unusable', `${dataDir} cannot be used`, {
        remedy: 'set dataDir to a directory this user may write',
        cause,
      });
    }
    const { store, stored } = Store.open(this.#path, clock.now());
    for (const problem of stored.problems) log.error({ path: this.#path }, problem.message);
    this.#store = store;
    this.#error = undefined;
    this.#publish(this.#decode(stored));
  }

  #decode(stored: Stored): Picture {
    const { node, version } = this.#options;
    const problems: Problem[] = [...stored.problems];
    const unread: EndpointId[] = [];
    const changes: RowChange[] = [];
    for (const { id, body } of stored.rows) {
      const decoded = decodeRow(body, id);
      if (decoded.ok && decoded.row.id === id) changes.push({ kind: 'add', after: decoded.row });
      else {
        unread.push(id);
        if (!decoded.ok) problems.push(decoded.problem);
      }
    }
    this.#known = new Map();
    this.#remember(changes);
    this.#unread = unread;
    const self: ClusterNode = { ...node, state: 'passing', version, revision: 0 };
    return { rows: applyChanges(new Map(), changes), nodes: [self], claims: stored.claims, problems };
  }

  #remember(changes: readonly RowChange[]): void {
    for (const change of changes) {
      if (change.kind === 'remove') this.#known.delete(change.before.id);
      else this.#known.set(change.after.id, change.after);
    }
  }

  #ready(): { readonly store: Store; readonly picture: Picture } {
    const store = this.#store;
    const picture = this.#picture.value;
    if (store === undefined || picture === undefined) {
      throw new FairleadError(
        'registry-unavailable',
        `${this.#path} is not open${this.#error ? `: ${this.#error}` : ''}`,
      );
    }
    return { store, picture };
  }

  #write(work: () => void): void {
    try {
      work();
      this.#error = undefined;
    } catch (error) {
      this.#error = describeError(error);
      throw error;
    }
  }

  #publish(picture: Picture): void {
    this.#lastSync = this.#options.clock.now();
    this.#picture.set(picture);
  }
}

/** Errors of `run` that no waiting heals. */
const FATAL: ReadonlySet<string> = new Set(['data-dir-in-use', 'data-dir-unusable']);

/** Why a directory cannot be made or written: rights, a read-only file system, a file in its place. */
const UNUSABLE: ReadonlySet<string> = new Set(['EACCES', 'EPERM', 'EROFS', 'ENOTDIR', 'EEXIST']);
