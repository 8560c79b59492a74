import type { Protocol } from '../../model/service.ts';
import type { ClusterNode, Service } from '../../model/table.ts';

/** What a name of ours stands for. */
export type Target =
  /** The service's virtual address, or its endpoints where it has none. */
  | { readonly kind: 'service'; readonly service: Service }
  /** Endpoints in rotation of all these services; with a tag, only those that carry it. */
  | { readonly kind: 'endpoints'; readonly services: readonly Service[]; readonly tag?: string }
  /** RFC 2782: where one port (or every port of the protocol) is served. */
  | {
      readonly kind: 'ports';
      readonly services: readonly Service[];
      readonly protocol: Protocol | undefined;
      readonly port?: string;
      readonly tag?: string;
    }
  | { readonly kind: 'node'; readonly node: ClusterNode }
  /** An address spelt in the name itself. */
  | { readonly kind: 'address'; readonly address: string }
  /** Whose an address is. */
  | { readonly kind: 'pointer'; readonly names: readonly string[]; readonly stable: boolean }
  | { readonly kind: 'apex' }
  | { readonly kind: 'nameserver'; readonly nodes: readonly ClusterNode[] }
  /** Exists only because a name below it does (RFC 8020): no data, but no NXDOMAIN either. */
  | { readonly kind: 'empty' };

/** Where a name was looked up. `apex` owns the SOA of its negative answers. */
export interface Located {
  readonly apex: string;
  /** Absent: no such name. */
  readonly target: Target | undefined;
}
