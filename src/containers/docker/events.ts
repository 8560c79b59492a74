import { at, textAt } from './json.ts';

/** What Docker tells of a container or of its networks, reduced to what must be done about it. */
export type DockerEvent =
  /** It is gone, or no longer runs: nothing needs to be asked. */
  | { readonly kind: 'gone'; readonly id: string }
  | { readonly kind: 'started'; readonly id: string }
  | { readonly kind: 'signal'; readonly id: string; readonly signal: number }
  /** Paused, renamed, healthy again, on another network: look again. */
  | { readonly kind: 'changed'; readonly id: string };

const KINDS = new Map<string, 'gone' | 'started' | 'changed'>([
  ['die', 'gone'],
  ['destroy', 'gone'],
  ['start', 'started'],
  ['pause', 'changed'],
  ['unpause', 'changed'],
  ['rename', 'changed'],
  ['health_status', 'changed'],
]);

/** The `filters` of the request: exec events, three for every run of a HEALTHCHECK, are not sent at all. */
export const EVENT_FILTERS = {
  type: ['container', 'network'],
  event: [...KINDS.keys(), 'kill', 'connect', 'disconnect'],
} as const;

export interface DecodedEvent {
  /** Undefined for one that concerns nobody here. */
  readonly event?: DockerEvent;
  /** When Docker noted it, nanoseconds since the epoch. */
  readonly timeNano?: bigint;
}

/** Reads one line of `GET /events`; undefined where it is not JSON. */
export function decodeEvent(line: string): DecodedEvent | undefined {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return undefined;
  }
  // Too large for a number: read from the text, in which a quote within a label would be escaped.
  const nano = /"timeNano":(\d{1,20})/.exec(line)?.[1];
  const event = toEvent(value);
  return { ...(event === undefined ? {} : { event }), ...(nano === undefined ? {} : { timeNano: BigInt(nano) }) };
}

function toEvent(value: unknown): DockerEvent | undefined {
  const action = textAt(value, 'Action') ?? '';
  if (textAt(value, 'Type') === 'network') {
    const id = textAt(value, 'Actor', 'Attributes', 'container');
    return id === undefined || (action !== 'connect' && action !== 'disconnect') ? undefined : { kind: 'changed', id };
  }
  const id = textAt(value, 'Actor', 'ID');
  if (id === undefined || textAt(value, 'Type') !== 'container') return undefined;
  if (action === 'kill') return { kind: 'signal', id, signal: Number(at(value, 'Actor', 'Attributes', 'signal')) };
  // `health_status: unhealthy`
  const kind = KINDS.get(action.split(':')[0] ?? '');
  return kind === undefined ? undefined : { kind, id };
}
