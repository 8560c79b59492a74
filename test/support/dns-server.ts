import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { Registry } from 'prom-client';
import { DnsServer, type DnsServerOptions } from '../../src/dns/server.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { silentLogger } from '../../src/lib/logger.ts';
import { exampleTable } from './dns.ts';

export interface RunningDns extends AsyncDisposable {
  readonly server: DnsServer;
  readonly metrics: Registry;
  /** UDP and TCP, on 127.0.0.1. */
  readonly port: number;
}

/** A server on a free port of loopback, with the example table unless `options` says otherwise. */
export async function startDns(options: Partial<DnsServerOptions> = {}): Promise<RunningDns> {
  const table = exampleTable();
  const metrics = new Registry();
  const server = new DnsServer({
    node: 'n1',
    domain: 'fairlead.internal',
    aliases: ['service.consul', 'rancher.internal'],
    ttl: { vip: 30, endpoints: 1, negative: 1 },
    upstreams: ['127.0.0.1:9'],
    routes: {},
    allow: () => true,
    table: () => table,
    log: silentLogger,
    clock: systemClock,
    metrics,
    ...options,
  });
  const stop = new AbortController();
  server.setListen(['127.0.0.1:0']);
  const running = server.run(stop.signal);
  await until(() => server.listening().length === 1);
  return {
    server,
    metrics,
    port: Number(server.listening()[0]?.split(':')[1]),
    [Symbol.asyncDispose]: async () => {
      stop.abort();
      await running;
    },
  };
}

/** Polls a condition that no event announces. */
export async function until(condition: () => boolean | Promise<boolean>, withinMs = 10_000): Promise<void> {
  const deadline = performance.now() + withinMs;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`not so within ${withinMs} ms: ${condition}`);
    await systemClock.sleep(10);
  }
}

/** Sends one datagram; the reply, or undefined where the sentinel sent behind it is answered first. */
export async function askUdp(port: number, packet: Buffer, sentinel: Buffer): Promise<Buffer | undefined> {
  const socket = createSocket('udp4');
  try {
    socket.connect(port, '127.0.0.1');
    await once(socket, 'connect');
    socket.send(packet);
    if (!expectsReply(packet)) socket.send(sentinel);
    const [reply] = await once(socket, 'message', { signal: AbortSignal.timeout(10_000) });
    return Buffer.isBuffer(reply) && (expectsReply(packet) || reply.readUInt16BE(0) !== sentinel.readUInt16BE(0))
      ? reply
      : undefined;
  } finally {
    socket.close();
  }
}

const expectsReply = (packet: Buffer) => packet.length >= 12 && (packet.readUInt8(2) & 0x80) === 0;

export const framed = (packet: Buffer): Buffer => {
  const length = Buffer.alloc(2);
  length.writeUInt16BE(packet.length);
  return Buffer.concat([length, packet]);
};

/** A TCP client that reads whole messages. */
export class TcpClient implements AsyncDisposable {
  readonly socket: Socket;
  #received = Buffer.alloc(0);

  constructor(port: number, localAddress?: string) {
    this.socket = connect({
      port,
      host: '127.0.0.1',
      noDelay: true,
      ...(localAddress === undefined ? {} : { localAddress }),
    });
    this.socket.on('data', (chunk) => {
      this.#received = Buffer.concat([this.#received, chunk]);
    });
    this.socket.on('error', () => {});
  }

  /** The next message; undefined where the server closes first. */
  async message(): Promise<Buffer | undefined> {
    await until(() => this.#complete() || this.socket.closed || this.socket.readableEnded);
    if (!this.#complete()) return undefined;
    const end = 2 + this.#received.readUInt16BE(0);
    const message = this.#received.subarray(2, end);
    this.#received = this.#received.subarray(end);
    return message;
  }

  #complete(): boolean {
    return this.#received.length >= 2 && this.#received.length >= 2 + this.#received.readUInt16BE(0);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.socket.closed) return;
    const closed = once(this.socket, 'close');
    this.socket.destroy();
    await closed;
  }
}

export async function askTcp(port: number, packet: Buffer): Promise<Buffer | undefined> {
  await using client = new TcpClient(port);
  client.socket.write(framed(packet));
  return await client.message();
}
