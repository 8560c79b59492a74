import { request } from 'node:http';
import { BUSYBOX } from './images.ts';

export interface ContainerSpec {
  readonly name?: string;
  /** Default: busybox. */
  readonly image?: string;
  /** Default: waits until SIGTERM. */
  readonly command?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly labels?: Readonly<Record<string, string>>;
  /** `80/tcp` */
  readonly expose?: readonly string[];
  /** Docker's own publishing: `{'80/tcp': 8080}`. */
  readonly publish?: Readonly<Record<string, number>>;
  /** A network's name, `host`, `none`, `container:<id>`; default: the default bridge. */
  readonly network?: string;
  readonly dns?: readonly string[];
  /** As the Engine takes it: `{Test: ['CMD', '/bin/true'], Interval: 1e9}` (nanoseconds). */
  readonly healthcheck?: object;
  /** Merged into HostConfig. */
  readonly hostConfig?: object;
}

/** What a test does to an Engine, real or fake, over its API. */
export class EngineControl {
  readonly socket: string;

  constructor(socket: string) {
    this.socket = socket;
  }

  /** The endpoint in the spelling of DOCKER_HOST. */
  get host(): string {
    return `unix://${this.socket}`;
  }

  /** A request to the Engine's API; resolves with the decoded answer, rejects on any status from 400. */
  async api(method: string, path: string, body?: object): Promise<unknown> {
    const payload = body === undefined ? undefined : JSON.stringify(body);
    return await send(this.socket, method, path, payload, 'application/json');
  }

  /** Creates a container; resolves with its id. */
  async create(spec: ContainerSpec = {}): Promise<string> {
    const name = spec.name === undefined ? '' : `?name=${encodeURIComponent(spec.name)}`;
    const created = await this.api('POST', `/containers/create${name}`, {
      Image: spec.image ?? BUSYBOX,
      Cmd: spec.command ?? ['/bin/sh', '-c', 'trap exit TERM; sleep 1000000 & wait'],
      Env: Object.entries(spec.env ?? {}).map(([key, value]) => `${key}=${value}`),
      Labels: spec.labels ?? {},
      ExposedPorts: Object.fromEntries(
        [...(spec.expose ?? []), ...Object.keys(spec.publish ?? {})].map((p) => [p, {}]),
      ),
      ...(spec.healthcheck === undefined ? {} : { Healthcheck: spec.healthcheck }),
      HostConfig: {
        ...(spec.network === undefined ? {} : { NetworkMode: spec.network }),
        ...(spec.dns === undefined ? {} : { Dns: spec.dns }),
        PortBindings: Object.fromEntries(
          Object.entries(spec.publish ?? {}).map(([port, host]) => [port, [{ HostPort: String(host) }]]),
        ),
        ...spec.hostConfig,
      },
    });
    return textField(created, 'Id');
  }

  /** Creates and starts a container; resolves with its id once it runs. */
  async run(spec: ContainerSpec = {}): Promise<string> {
    const id = await this.create(spec);
    await this.api('POST', `/containers/${id}/start`);
    return id;
  }

  /** Starts a busybox web server that answers `/` with `body` on `port` (default 80). */
  async runWeb(spec: ContainerSpec & { readonly body: string; readonly port?: number }): Promise<string> {
    const { body, port = 80, ...rest } = spec;
    const script = 'printf "%s" "$BODY" > /www/index.html; exec httpd -f -p "$PORT" -h /www';
    return await this.run({
      ...rest,
      env: { ...rest.env, BODY: body, PORT: String(port) },
      command: ['/bin/sh', '-c', script],
    });
  }

  /** Ends it at once and removes it. */
  async removeContainer(idOrName: string): Promise<void> {
    await this.api('DELETE', `/containers/${idOrName}?force=1&v=1`);
  }

  /** Ends and removes every container. */
  async removeAll(): Promise<void> {
    const containers = idsOf(await this.api('GET', '/containers/json?all=1'));
    await Promise.all(containers.map((id) => this.removeContainer(id)));
  }

  /** Its IPv4 address on a network (default: the default bridge). */
  async addressOf(idOrName: string, network = 'bridge'): Promise<string> {
    const inspected = await this.api('GET', `/containers/${idOrName}/json`);
    return textField(inspected, 'NetworkSettings', 'Networks', network, 'IPAddress');
  }
}

/** A field of a decoded JSON answer that must be a string. */
export function textField(value: unknown, ...path: readonly string[]): string {
  let at = value;
  for (const key of path) at = at !== null && typeof at === 'object' ? Reflect.get(at, key) : undefined;
  if (typeof at !== 'string') throw new Error(`no ${path.join('.')} in ${JSON.stringify(value).slice(0, 500)}`);
  return at;
}

export const idsOf = (list: unknown): readonly string[] =>
  Array.isArray(list) ? list.map((item) => textField(item, 'Id')) : [];

export async function send(
  socketPath: string,
  method: string,
  path: string,
  body: string | NodeJS.ReadableStream | undefined,
  contentType: string,
): Promise<unknown> {
  return await new Promise((resolve, reject) => {
    const sent = request({ socketPath, method, path, agent: false, headers: { 'content-type': contentType } });
    sent.on('error', reject);
    sent.on('response', (response) => {
      const chunks: Buffer[] = [];
      response.on('error', reject);
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () => {
        const text = Buffer.concat(chunks).toString();
        const json = response.headers['content-type']?.startsWith('application/json') ?? false;
        if ((response.statusCode ?? 500) >= 400) reject(new Error(`${method} ${path}: ${response.statusCode} ${text}`));
        else resolve(json && !path.startsWith('/images/create') ? JSON.parse(text) : text);
      });
    });
    if (body === undefined || typeof body === 'string') sent.end(body);
    else body.pipe(sent);
  });
}
