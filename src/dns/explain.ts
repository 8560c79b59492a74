import { FairleadError } from '../lib/errors.ts';
import type { EndpointId, ServiceKey } from '../model/service.ts';
import { type ChainOptions, handle } from './chain.ts';
import type { Handler } from './handler.ts';
import { RecordType, rcodeName, typeCode } from './wire/codes.ts';
import { type ShownRecord, showMessage } from './wire/decode.ts';
import { encodeName, readLabels } from './wire/name.ts';
import { HEADER } from './wire/query.ts';
import { exclusion } from './zone/answer.ts';
import type { Located, Target } from './zone/target.ts';

/** An endpoint that an answer leaves out. */
interface FilteredEndpoint {
  readonly endpoint: EndpointId;
  readonly service: ServiceKey;
  readonly reason: string;
}

/** What the server answers, and why. */
export interface Explanation {
  readonly name: string;
  readonly type: string;
  /** The client's address. */
  readonly from: string;
  /** The stack its short names are looked up in first. */
  readonly stack?: string;
  /** The step of the chain that answered. */
  readonly handler: Handler;
  readonly rcode: string;
  /** In one sentence. */
  readonly reason: string;
  readonly answers: readonly ShownRecord[];
  readonly authority: readonly ShownRecord[];
  readonly additional: readonly ShownRecord[];
  readonly filtered: readonly FilteredEndpoint[];
}

export interface ExplainQuestion {
  readonly name: string;
  /** `A`, `SRV`, `TYPE65`. */
  readonly type: string;
  readonly from: string;
}

/**
 * Sends a question through the chain, as if `from` had asked it over TCP, and tells what happened.
 * Throws `dns-name` and `dns-type` for what cannot be asked.
 */
export async function explain(chain: ChainOptions, { name, type, from }: ExplainQuestion): Promise<Explanation> {
  const packet = encodeQuestion(name, type);
  const reply = await handle(chain, { packet, client: from, transport: 'tcp' });
  if (reply === undefined) throw new FairleadError('dns-question', `${name} ${type} gets no reply`);
  const found = chain.local.locate(readLabels(packet, HEADER), from);
  const target = found?.located?.target;
  return {
    name,
    type: type.toUpperCase(),
    from,
    ...(found?.stack === undefined ? {} : { stack: found.stack }),
    handler: reply.handler,
    rcode: rcodeName(reply.rcode),
    reason: reasonFor(reply.handler, found),
    ...showMessage(reply.bytes),
    filtered: reply.handler === 'local' && target !== undefined ? filteredFrom(target) : [],
  };
}

function encodeQuestion(name: string, type: string): Buffer {
  const code = typeCode(type);
  if (code === undefined) {
    const remedy = `use ${Object.keys(RecordType).slice(0, 9).join(', ')}, …, or TYPE<n>`;
    throw new FairleadError('dns-type', `${JSON.stringify(type.slice(0, 64))} is not a record type`, { remedy });
  }
  const header = Buffer.from('000001000001000000000000', 'hex');
  const tail = Buffer.from([code >> 8, code & 0xff, 0, 1]);
  return Buffer.concat([header, encodeName(name), tail]);
}

function reasonFor(
  handler: Handler,
  found: { located: Located | undefined; stack: string | undefined } | undefined,
): string {
  switch (handler) {
    case 'guard':
      return 'not a question this server answers';
    case 'access':
      return 'the client is outside dns.allow';
    case 'special':
      return 'a name that means the same everywhere, or is never forwarded';
    case 'route':
      return 'asked of the servers that dns.routes names for it';
    case 'forward':
      return 'not a name of ours; asked of the upstream servers';
    case 'local':
      if (found?.located === undefined) return 'no table yet: the registry has not synced';
      return found.located.target === undefined
        ? unknownName(found.located.apex)
        : describeTarget(found.located.target);
  }
}

const unknownName = (apex: string): string =>
  apex === ''
    ? 'no service of this name, or several in different stacks, none of them the client’s; names of one label are never forwarded'
    : `no such name under ${apex}, which is never forwarded`;

function describeTarget(target: Target): string {
  switch (target.kind) {
    case 'service': {
      const { key, vip, vip6 } = target.service;
      return vip === undefined && vip6 === undefined
        ? `endpoints in rotation of service ${key}, which has no virtual address`
        : `virtual address of service ${key}`;
    }
    case 'endpoints':
      return `endpoints in rotation of ${servicesOf(target)}${taggedWith(target.tag)}`;
    case 'ports':
      return `ports of ${servicesOf(target)}${taggedWith(target.tag)}, where they are served`;
    case 'node':
      return `address of node ${target.node.name}`;
    case 'address':
      return 'the address spelt in the name';
    case 'pointer':
      return 'reverse of a virtual address, a node or an endpoint';
    case 'apex':
      return 'a domain this server speaks for';
    case 'nameserver':
      return 'every node answers for the domain';
    case 'empty':
      return 'there is nothing at this name itself, but there are names below it';
  }
}

const servicesOf = ({ services }: Extract<Target, { kind: 'endpoints' | 'ports' }>): string =>
  `service${services.length > 1 ? 's' : ''} ${services.map(({ key }) => key).join(', ')}`;

const taggedWith = (tag: string | undefined): string => (tag === undefined ? '' : ` with tag ${tag}`);

function filteredFrom(target: Target): FilteredEndpoint[] {
  const services = target.kind === 'service' ? [target.service] : 'services' in target ? target.services : [];
  const tag = 'tag' in target ? target.tag : undefined;
  return services.flatMap((service) =>
    service.endpoints.flatMap((endpoint) => {
      const reason = exclusion(service, endpoint, tag);
      return reason === undefined ? [] : [{ endpoint: endpoint.id, service: service.key, reason }];
    }),
  );
}
