import { isIP } from 'node:net';
import { FairleadError } from '../lib/errors.ts';
import type { ResolveQuery } from './backend.ts';

/** The query of `/v1/resolve`; without a type `A`. Throws `bad-request`. Which types there are, the DNS part knows. */
export function parseResolveQuery(name = '', type = 'A', from = ''): ResolveQuery {
  // RFC 1035 §2.3.4, in presentation form with every byte escaped.
  if (name === '' || name.length > 1024) throw new FairleadError('bad-request', 'name is missing or too long');
  if (!/^[a-z]+\d*$/i.test(type)) throw new FairleadError('bad-request', 'type must be a record type such as A or SRV');
  if (from !== '' && isIP(from) === 0) throw new FairleadError('bad-request', 'from must be an IP address');
  return { name, type: type.toUpperCase(), from: from === '' ? undefined : from };
}
