import { type FSWatcher, watch } from 'node:fs';
import { realpath, stat } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import type { Clock } from '../lib/clock.ts';
import { describeError, errorCode } from '../lib/errors.ts';
import type { Logger } from '../lib/logger.ts';
import { readTextFile } from '../lib/text-file.ts';
import type { Problem } from '../model/service.ts';
import type { PublishSource, SourceState } from '../model/source.ts';
import { ServicesList } from './services-list.ts';

/** Where the kernel tells nothing (a network file system, a folder that is not there yet), this often is looked. */
const POLL_MS = 5000;
/** A program that writes in place truncates first; what it wrote is read when it has been quiet this long. */
const SETTLE_MS = 25;

export interface ServicesFileOptions {
  readonly path: string;
  readonly clock: Clock;
  readonly log: Logger;
  readonly publish: PublishSource;
}

/** Declares the static services of `servicesFile`, and declares them anew whenever that file changes. */
export class ServicesFileSource {
  readonly #options: ServicesFileOptions;
  readonly #list = new ServicesList();
  #published: SourceState | undefined;
  #fingerprint: string | undefined;

  constructor(options: ServicesFileOptions) {
    this.#options = options;
  }

  /** Reads the file now and after each change, until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, path } = this.#options;
    let eventAt: number | undefined;
    while (!signal.aborted) {
      // Watched anew before each read: a change in between is seen, and so is a folder that took another's place.
      const watched = await watchFile(path);
      await this.#look(eventAt);
      await clock.sleep(POLL_MS, AbortSignal.any([signal, watched.changed]));
      watched.close();
      eventAt = watched.changed.aborted ? clock.monotonic() : undefined;
      if (eventAt !== undefined) await clock.sleep(SETTLE_MS, signal);
    }
  }

  async #look(eventAt: number | undefined): Promise<void> {
    const { path, log, publish } = this.#options;
    const state = await this.#read(path);
    if (state === undefined || isSame(state, this.#published)) return;
    for (const { subject, message } of state.problems) log.warn({ subject }, message);
    if (state.problems.length === 0) log.info({ file: path, endpoints: state.workloads.length }, 'services file read');
    this.#published = state;
    publish(eventAt === undefined ? state : { ...state, eventAt });
  }

  /** What the file declares; undefined when it is still the one read last. What cannot be read removes nothing. */
  async #read(path: string): Promise<SourceState | undefined> {
    try {
      const fingerprint = await fingerprintOf(path);
      if (fingerprint === this.#fingerprint) return undefined;
      this.#fingerprint = fingerprint;
      return await this.#list.read(await readTextFile(path), path);
    } catch (error) {
      if (errorCode(error) === 'ENOENT') this.#fingerprint = undefined;
      return { workloads: this.#list.workloads, problems: [fileProblem(path, error, this.#list.workloads.length > 0)] };
    }
  }
}

/** Changes with every write and with every file put in its place. */
async function fingerprintOf(path: string): Promise<string> {
  const { dev, ino, size, mtimeNs, ctimeNs } = await stat(path, { bigint: true });
  return [dev, ino, size, mtimeNs, ctimeNs].join(' ');
}

function fileProblem(path: string, error: unknown, keeps: boolean): Problem {
  const what = errorCode(error) === 'ENOENT' ? 'there is no such file' : describeError(error);
  const so = keeps ? 'its services stay as they were' : 'it declares no services';
  return { code: 'services-file', subject: path, message: `${path}: ${what}; ${so}` };
}

const isSame = (a: SourceState, b: SourceState | undefined): boolean =>
  b !== undefined &&
  a.workloads.length === b.workloads.length &&
  a.workloads.every((workload, index) => workload === b.workloads[index]) &&
  isDeepStrictEqual(a.problems, b.problems);

interface Watched {
  /** Aborts at the first sign of a change. */
  readonly changed: AbortSignal;
  close(): void;
}

/**
 * Watches the folders of a file and of what it links to: editors and config managers put a new file, or a new link
 * (Kubernetes' `..data`), in place of the old one, which a watch on the file itself would not see.
 */
async function watchFile(path: string): Promise<Watched> {
  const target = await realpath(path).catch(() => path);
  const names = new Set([basename(path), basename(target), '..data']);
  const changed = new AbortController();
  const onEvent = (_: string, name: string | null) => {
    if (name === null || names.has(name)) changed.abort();
  };
  const watchers = [...new Set([dirname(path), dirname(target)])].flatMap((folder) => watchFolder(folder, onEvent));
  return {
    changed: changed.signal,
    close: () => {
      for (const watcher of watchers) watcher.close();
    },
  };
}

/** None where the folder cannot be watched (absent, no watches left): the next poll tries again. */
function watchFolder(folder: string, onEvent: (event: string, name: string | null) => void): readonly FSWatcher[] {
  try {
    return [watch(folder, { persistent: false }, onEvent).on('error', () => onEvent('error', null))];
  } catch {
    return [];
  }
}
