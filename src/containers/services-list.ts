import { setImmediate as nextTurn } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { parse } from 'yaml';
import { FairleadError } from '../lib/errors.ts';
import { shown } from '../lib/findings.ts';
import { serviceKey, type Workload } from '../model/service.ts';
import type { SourceState } from '../model/source.ts';
import { type DecodedService, decodeService, refuseTakenIds, serviceProblem } from './static.ts';

/** How long parsing may keep the process from answering DNS, milliseconds. */
const TURN_MS = 10;

/** One service of the list: what identifies its content, and its content. */
interface ListItem {
  readonly text: string;
  readonly value: () => unknown;
}

/**
 * The list a services file holds, read again and again. An entry whose text did not change is not parsed again (YAML
 * takes 2.7 s for 10,000 services), and workloads that did not change keep their identity.
 */
export class ServicesList {
  /** By the entry's text. */
  #entries: ReadonlyMap<string, DecodedService> = new Map();
  #workloads: readonly Workload[] = [];

  /** What the last list that could be read declared. */
  get workloads(): readonly Workload[] {
    return this.#workloads;
  }

  /**
   * The state a file's text declares. A bad entry is a problem, and its service keeps what it had before.
   * Throws `services-file` when the text as a whole is no list; `workloads` are then as they were.
   */
  async read(text: string, where: string): Promise<SourceState> {
    const items = splitList(text);
    const apart = items === undefined ? undefined : await this.#decode(items).catch(() => undefined);
    const entries = apart ?? (await this.#decode(parseList(text)));
    const checked = refuseTakenIds(entries.map(([, entry]) => entry));
    this.#entries = new Map(entries);
    this.#workloads = withLastGood(checked, this.#workloads);
    const problems = checked.flatMap((entry, index) =>
      entry.findings.length > 0 ? [serviceProblem(entry, index, where)] : [],
    );
    return { workloads: this.#workloads, problems };
  }

  async #decode(items: readonly ListItem[]): Promise<readonly (readonly [string, DecodedService])[]> {
    const known = new Map(this.#workloads.map((workload) => [workload.localId, workload]));
    const entries: (readonly [string, DecodedService])[] = [];
    let turnEnds = performance.now() + TURN_MS;
    for (const { text, value } of items) {
      entries.push([text, this.#entries.get(text) ?? keepIdentity(decodeService(value()), known)]);
      if (performance.now() > turnEnds) {
        await nextTurn();
        turnEnds = performance.now() + TURN_MS;
      }
    }
    return entries;
  }
}

function keepIdentity(entry: DecodedService, known: ReadonlyMap<string, Workload>): DecodedService {
  const workloads = entry.workloads.map((workload) => {
    const before = known.get(workload.localId);
    return before !== undefined && isDeepStrictEqual(before, workload) ? before : workload;
  });
  return { ...entry, workloads };
}

/** A mistake in a service's entry does not take its endpoints out of service: they stay until it is mended. */
function withLastGood(entries: readonly DecodedService[], before: readonly Workload[]): readonly Workload[] {
  const workloads = entries.flatMap((entry) => entry.workloads);
  const bad = new Set(entries.flatMap(({ key, findings }) => (findings.length > 0 && key !== undefined ? [key] : [])));
  if (bad.size === 0) return workloads;
  const taken = new Set(workloads.map(({ localId }) => localId));
  return [
    ...workloads,
    ...before.filter(({ localId, service }) => bad.has(serviceKey(service)) && !taken.has(localId)),
  ];
}

/** Where an item of a block list in the first column begins. */
const ITEM = /^(?=-[ \t\r\n])/m;

/**
 * The items of a block list that begins in the first column, each of which is YAML by itself; undefined for any other
 * shape. An item that needs its neighbours (an alias) fails when its value is asked for.
 */
function splitList(text: string): readonly ListItem[] | undefined {
  const body = text.replace(/^---[ \t]*\r?\n/, '');
  // Anything else in the first column than an item, a comment or a continuation: not that shape.
  if (/^(?:[^\s#-]|-(?![ \t\r\n]))/m.test(body)) return undefined;
  const begins = body.search(ITEM);
  if (begins < 0 || /^\s*[^\s#]/m.test(body.slice(0, begins))) return undefined;
  const items = body.slice(begins).split(ITEM);
  return items.map((item) => ({ text: item, value: () => parseItem(item) }));
}

function parseItem(text: string): unknown {
  const list: unknown = parse(text, { logLevel: 'error' });
  if (!Array.isArray(list) || list.length !== 1) throw new FairleadError('services-file', 'not an item by itself');
  return list[0];
}

/** The whole text at once. */
function parseList(text: string): readonly ListItem[] {
  const list = parseText(text);
  if (list === null || list === undefined) {
    throw new FairleadError('services-file', 'it holds nothing', { remedy: 'write [] for no services' });
  }
  if (!Array.isArray(list)) throw new FairleadError('services-file', `expected a list of services, got ${shown(list)}`);
  return list.map((entry: unknown) => ({ text: JSON.stringify(entry), value: () => entry }));
}

function parseText(text: string): unknown {
  if (/^\s*\[/.test(text)) {
    // JSON is YAML, and read a hundred times faster as what it is.
    try {
      return JSON.parse(text) as unknown;
    } catch {}
  }
  try {
    return parse(text, { logLevel: 'error' }) as unknown;
  } catch (cause) {
    throw new FairleadError('services-file', 'it is not YAML', { cause });
  }
}
