import { formatDuration } from '../model/duration.ts';
import { type Problem, type ServiceKey, type ServicePolicy, serviceKey } from '../model/service.ts';
import type { SourceState } from '../model/source.ts';

/** What a service asks for that this version does not have, as sentences that say what it gets instead. */
function missing({ http, affinity }: ServicePolicy): readonly string[] {
  const timeoutMs = affinity.kind === 'client-ip' ? affinity.timeoutMs : undefined;
  return [
    ...(http === undefined ? [] : ['the L7 balancer is not in this version: its route is not served, its ports are']),
    ...(timeoutMs === undefined
      ? []
      : [`affinity without end instead of ${formatDuration(timeoutMs)}: timed affinity is not in this version`]),
  ];
}

/** The same state with a problem for each service that asks for what is not there yet: never silence. */
export function tellUnsupported(state: SourceState): SourceState {
  const found = new Map<ServiceKey, readonly string[]>();
  for (const { service, policy } of state.workloads) {
    const sentences = missing(policy);
    if (sentences.length > 0) found.set(serviceKey(service), sentences);
  }
  if (found.size === 0) return state;
  const problems = [...found].map(
    ([key, sentences]): Problem => ({ code: 'unsupported', subject: `service ${key}`, message: sentences.join('; ') }),
  );
  return { ...state, problems: [...state.problems, ...problems] };
}
