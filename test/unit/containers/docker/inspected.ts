/** What an inspect answers for a plain running container; a test says what differs. */
export interface Inspected {
  readonly id?: string;
  readonly name?: string;
  readonly image?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly env?: readonly string[];
  readonly exposed?: readonly string[];
  readonly published?: readonly string[];
  readonly state?: object;
  readonly stopSignal?: string;
  readonly networkMode?: string;
  readonly networks?: Readonly<Record<string, { readonly ip?: string; readonly ip6?: string }>>;
}

export function inspected(differs: Inspected = {}): unknown {
  const { published = [], networks = { bridge: { ip: '172.17.0.2' } } } = differs;
  return {
    Id: differs.id ?? 'a'.repeat(64),
    Name: `/${differs.name ?? 'web-1'}`,
    State: {
      Status: 'running',
      Running: true,
      Paused: false,
      Restarting: false,
      Dead: false,
      StartedAt: '2026-01-01T00:00:00Z',
      ...differs.state,
    },
    Config: {
      Image: differs.image ?? 'registry:5000/team/nginx:1.27',
      Labels: differs.labels ?? null,
      Env: differs.env ?? null,
      ExposedPorts: Object.fromEntries((differs.exposed ?? ['80/tcp']).map((port) => [port, {}])),
      ...(differs.stopSignal === undefined ? {} : { StopSignal: differs.stopSignal }),
    },
    HostConfig: {
      NetworkMode: differs.networkMode ?? 'default',
      PublishAllPorts: false,
      PortBindings: Object.fromEntries(published.map((port) => [port, [{ HostIp: '', HostPort: '8080' }]])),
    },
    NetworkSettings: {
      Networks: Object.fromEntries(
        Object.entries(networks).map(([name, { ip = '', ip6 = '' }]) => [
          name,
          { IPAddress: ip, GlobalIPv6Address: ip6 },
        ]),
      ),
    },
  };
}
