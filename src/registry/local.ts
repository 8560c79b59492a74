import { combineHealth, notChecked } from '../model/health.ts';
import { keepProblems } from '../model/problems.ts';
import { endpointId, type Health, type Problem, type Registration, type Workload } from '../model/service.ts';
import type { SourceState } from '../model/source.ts';
import { type RowChange, sameRegistration } from './diff.ts';
import { applyChanges, type GroupedRows } from './grouping.ts';

interface Source {
  readonly problems: readonly Problem[];
  readonly workloads: ReadonlyMap<string, Workload>;
  /** Local ids that the source itself names twice. */
  readonly twice: readonly string[];
}

interface Entry {
  readonly source: string;
  readonly workload: Workload;
  /** What our own check found last. */
  readonly checked?: Health;
  readonly row: Registration;
}

/**
 * What runs on this node, out of all its sources and their checks, as the rows the node registers.
 * Rows and groups that did not change keep their identity; a change costs what it touches.
 */
export class LocalSet {
  readonly #node: string;
  readonly #sources = new Map<string, Source>();
  readonly #entries = new Map<string, Entry>();
  #rows: GroupedRows = new Map();
  #all: readonly Registration[] | undefined = [];
  #problems: readonly Problem[] = [];
  /** What an earlier process had found, until a check of this one finds something. */
  readonly #remembered = new Map<string, Health>();
  #isLeaving = false;
  /** Changes that `#rows` does not have yet. */
  #pending: RowChange[] = [];

  constructor(options: { readonly node: string }) {
    this.#node = options.node;
  }

  /** Takes the whole new state of one source. A local id stays with the source that had it first. */
  setSource(name: string, state: SourceState): void {
    const before = this.#sources.get(name);
    const source = readSource(state);
    this.#sources.set(name, source);
    for (const [localId, workload] of source.workloads) {
      const entry = this.#entries.get(localId);
      if (entry === undefined || (entry.source === name && entry.workload !== workload)) {
        const checked = workload.check === undefined ? undefined : entry?.checked;
        this.#put(localId, { source: name, workload, ...(checked && { checked }) });
      }
    }
    for (const localId of before?.workloads.keys() ?? []) {
      if (!source.workloads.has(localId) && this.#entries.get(localId)?.source === name) this.#leave(localId);
    }
    this.#problems = keepProblems(this.#problems, this.#collectProblems());
  }

  /**
   * Takes the result of an active check; of a workload that has none, or is gone, it is ignored. A result outlives a
   * change of its workload: where the check begins anew, the checker says so.
   */
  setHealth(localId: string, health: Health): void {
    const entry = this.#entries.get(localId);
    if (entry?.workload.check === undefined) return;
    this.#put(localId, { source: entry.source, workload: entry.workload, checked: health });
  }

  /**
   * What an earlier process of this node knew by local id: it holds until the first result of a check, so that a
   * restart takes nothing out of rotation.
   */
  remember(health: ReadonlyMap<string, Health>): void {
    for (const [localId, known] of health) {
      this.#remembered.set(localId, known);
      const entry = this.#entries.get(localId);
      if (entry !== undefined) this.#put(localId, entry);
    }
  }

  /** From now on everything here is on its way out. It ends with the process: nothing of it is remembered. */
  leave(): void {
    this.#isLeaving = true;
    for (const [localId, entry] of this.#entries) this.#put(localId, entry);
  }

  has(localId: string): boolean {
    return this.#entries.has(localId);
  }

  /** Rows by service, each group sorted by endpoint id. */
  rows(): GroupedRows {
    if (this.#pending.length > 0) {
      this.#rows = applyChanges(this.#rows, this.#pending);
      this.#pending = [];
    }
    return this.#rows;
  }

  /** Every row, as `Registry.register` takes them. */
  all(): readonly Registration[] {
    this.#all ??= [...this.#entries.values()].map((entry) => entry.row);
    return this.#all;
  }

  /** What the sources report, and local ids that are used more than once. */
  problems(): readonly Problem[] {
    return this.#problems;
  }

  /** What is registered, for the checks. */
  *workloads(): Iterable<Workload> {
    for (const entry of this.#entries.values()) yield entry.workload;
  }

  #put(localId: string, next: Omit<Entry, 'row'>): void {
    const before = this.#entries.get(localId)?.row;
    const known = toRegistration(this.#node, next, this.#remembered.get(next.workload.localId));
    const fresh: Registration = this.#isLeaving
      ? { ...known, state: 'draining', reason: 'the node is leaving' }
      : known;
    const row = before !== undefined && sameRegistration(before, fresh) ? before : fresh;
    this.#entries.set(localId, { ...next, row });
    if (row === before) return;
    this.#note(before === undefined ? { kind: 'add', after: row } : { kind: 'change', before, after: row });
  }

  /** The owner of a local id is gone: another source that offers it takes its place. */
  #leave(localId: string): void {
    const entry = this.#entries.get(localId);
    if (entry === undefined) return;
    this.#remembered.delete(localId);
    for (const [name, { workloads }] of this.#sources) {
      const workload = workloads.get(localId);
      if (workload === undefined) continue;
      this.#put(localId, { source: name, workload });
      return;
    }
    this.#entries.delete(localId);
    this.#note({ kind: 'remove', before: entry.row });
  }

  #note(change: RowChange): void {
    this.#pending.push(change);
    this.#all = undefined;
  }

  #collectProblems(): readonly Problem[] {
    const problems: Problem[] = [];
    let offered = 0;
    for (const [name, { problems: own, twice, workloads }] of this.#sources) {
      problems.push(...own, ...twice.map((localId) => duplicate(localId, name, name)));
      offered += workloads.size;
    }
    if (offered === this.#entries.size) return problems;
    for (const [name, { workloads }] of this.#sources) {
      for (const localId of workloads.keys()) {
        const owner = this.#entries.get(localId)?.source;
        if (owner !== undefined && owner !== name) problems.push(duplicate(localId, name, owner));
      }
    }
    return problems;
  }
}

function readSource({ workloads: list, problems }: SourceState): Source {
  const workloads = new Map<string, Workload>();
  const twice: string[] = [];
  for (const workload of list) {
    if (workloads.has(workload.localId)) twice.push(workload.localId);
    else workloads.set(workload.localId, workload);
  }
  return { problems, workloads, twice };
}

const duplicate = (localId: string, source: string, owner: string): Problem => ({
  code: 'duplicate-endpoint',
  subject: `endpoint ${localId}`,
  message: `left out as ${source} declares it, for ${owner === source ? 'it' : owner} has one of that id already; give one of them another`,
});

function toRegistration(
  node: string,
  { workload, checked }: Omit<Entry, 'row'>,
  remembered: Health | undefined,
): Registration {
  const { localId, check, health: source, ...facts } = workload;
  const health = check === undefined ? source : combineHealth(source, checked ?? remembered ?? notChecked);
  return { ...facts, ...health, id: endpointId(node, localId), node };
}
