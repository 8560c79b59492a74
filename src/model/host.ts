/** A bridge on this host that containers are attached to. */
export interface ContainerBridge {
  readonly name: string;
  /** Subnets, `172.17.0.0/16`, both families. */
  readonly subnets: readonly string[];
  /** This host's own addresses on it, which containers use as gateway and resolver. */
  readonly gateways: readonly string[];
}

/** What the planes need to know of this host; replaced whole when the kernel reports a change. */
export interface HostFacts {
  readonly node: string;
  /** The address other nodes reach. */
  readonly nodeAddress: string;
  readonly bridges: readonly ContainerBridge[];
  /** Every address of this host, loopback included. */
  readonly addresses: readonly string[];
}
