import { constants } from 'node:os';
import { isDeepStrictEqual } from 'node:util';
import { keepProblems } from '../../model/problems.ts';
import type { Problem, Workload } from '../../model/service.ts';
import type { Container } from './container.ts';
import { type Declaration, declarationOf } from './decode.ts';
import { stacksByAddress } from './stacks.ts';

interface Entry extends Declaration {
  readonly container: Container;
}

/**
 * What is known of this host's running containers, and what they declare. Pure state: told of facts, asked for the
 * picture. Each change answers whether the picture differs; workloads that do not keep their identity.
 */
export class Picture {
  readonly #nodeAddress: () => string;
  readonly #entries = new Map<string, Entry>();
  /** Signals sent to the current run of a container; also before it was first inspected. */
  readonly #signals = new Map<string, readonly number[]>();
  /** Containers that could not be looked at; what was known of them holds. */
  readonly #failures = new Map<string, Problem>();
  #problems: readonly Problem[] = [];
  /** Made when first asked for after an address has come or gone. */
  #stacks: ReadonlyMap<string, string | undefined> | undefined;

  constructor(nodeAddress: () => string) {
    this.#nodeAddress = nodeAddress;
  }

  has(id: string): boolean {
    return this.#entries.has(id);
  }

  /** Every container something is remembered of. */
  ids(): ReadonlySet<string> {
    return new Set([...this.#entries.keys(), ...this.#signals.keys(), ...this.#failures.keys()]);
  }

  isStopping(id: string): boolean {
    return this.#signals.has(id);
  }

  put(container: Container): boolean {
    const failed = this.#failures.delete(container.id);
    if (container.phase === 'stopped') return this.remove(container.id) || failed;
    const before = this.#entries.get(container.id);
    // A new run has begun, its start and the end of the one before unheard.
    if (before !== undefined && before.container.startedAt !== container.startedAt) this.#signals.delete(container.id);
    return this.#declare(container) || failed;
  }

  /** It could not be looked at. */
  fail(id: string, message: string): boolean {
    const name = this.#entries.get(id)?.container.name ?? id.slice(0, 12);
    const problem = { code: 'docker-inspect', subject: `container ${name}`, message };
    const same = this.#failures.get(id)?.message === message;
    this.#failures.set(id, problem);
    return !same;
  }

  remove(id: string): boolean {
    this.#signals.delete(id);
    const failed = this.#failures.delete(id);
    const entry = this.#entries.get(id);
    if (this.#entries.delete(id)) this.#stacks = undefined;
    return failed || (entry !== undefined && (entry.workloads.length > 0 || entry.problem !== undefined));
  }

  signal(id: string, signal: number): boolean {
    this.#signals.set(id, [...(this.#signals.get(id) ?? []), signal]);
    return this.#redeclare(id);
  }

  /** Reads everything again with the node's present address. */
  refresh(): boolean {
    let differs = false;
    for (const id of this.#entries.keys()) differs = this.#redeclare(id) || differs;
    return differs;
  }

  /** Between a rename and the look it causes two containers may seem to have one name: the newer one has it. */
  workloads(): readonly Workload[] {
    const byId = new Map<string, Workload>();
    for (const { workloads } of this.#entries.values())
      for (const workload of workloads) byId.set(workload.localId, workload);
    return [...byId.values()];
  }

  problems(): readonly Problem[] {
    const declared = [...this.#entries.values()].flatMap(({ problem }) => problem ?? []);
    this.#problems = keepProblems(this.#problems, [...declared, ...this.#failures.values()]);
    return this.#problems;
  }

  /** The stack of the container that has this address on any of its networks. */
  stackOf(address: string): string | undefined {
    this.#stacks ??= stacksByAddress([...this.#entries.values()].map(({ container }) => container));
    return this.#stacks.get(address);
  }

  #redeclare(id: string): boolean {
    const entry = this.#entries.get(id);
    return entry !== undefined && this.#declare(entry.container);
  }

  #declare(container: Container): boolean {
    const before = this.#entries.get(container.id);
    const declaration = declarationOf(container, this.#nodeAddress());
    const stopping = (this.#signals.get(container.id) ?? []).some((signal) => endsContainer(container, signal));
    const problem =
      declaration.problem?.message === before?.problem?.message &&
      declaration.problem?.subject === before?.problem?.subject
        ? before?.problem
        : declaration.problem;
    const workloads = declaration.workloads.map((workload) => {
      const next = stopping ? { ...workload, health: STOPPING } : workload;
      return before?.workloads.find((earlier) => isDeepStrictEqual(earlier, next)) ?? next;
    });
    // A container's labels never change.
    if (!isDeepStrictEqual(before?.container.networks, container.networks)) this.#stacks = undefined;
    this.#entries.set(container.id, { container, workloads, ...(problem === undefined ? {} : { problem }) });
    return (
      workloads.length !== (before?.workloads.length ?? 0) ||
      workloads.some((workload, i) => workload !== before?.workloads[i]) ||
      problem !== before?.problem
    );
  }
}

const STOPPING = { state: 'draining', reason: 'stopping: it was told to end' } as const;

/**
 * Does this signal make the container end? SIGTERM and SIGQUIT by custom, its own STOPSIGNAL, and SIGKILL for certain:
 * Docker reports the end itself only after it has taken the network apart.
 */
function endsContainer({ stopSignal }: Container, signal: number): boolean {
  const { SIGKILL, SIGTERM, SIGQUIT } = constants.signals;
  return (
    [SIGKILL, SIGTERM, SIGQUIT].includes(signal) || (stopSignal !== undefined && signal === signalNumber(stopSignal))
  );
}

/** `15`, `SIGTERM`, `TERM`, `SIGRTMIN+3` (34 and on, as in the kernel's ABI). */
function signalNumber(text: string): number | undefined {
  if (/^\d{1,2}$/.test(text)) return Number(text);
  const name = text.toUpperCase().replace(/^(?!SIG)/, 'SIG');
  const realtime = /^SIGRTMIN(?:\+(\d{1,2}))?$/.exec(name);
  if (realtime !== null) return 34 + Number(realtime[1] ?? 0);
  return new Map<string, number>(Object.entries(constants.signals)).get(name);
}
