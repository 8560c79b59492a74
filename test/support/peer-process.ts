/**
 * Runs inside a namespace and does what it is told, one JSON command a line on stdin, one JSON answer a line on stdout:
 * listens as an endpoint that tells its name and who asked, or dials as a client.
 */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { createInterface } from 'node:readline';
import type { Answer, DialCommand, PeerCommand, ServeCommand } from './peer.ts';

async function serve({ protocol, address, port, name }: ServeCommand): Promise<void> {
  if (protocol === 'udp') {
    const socket = address.includes(':') ? createSocket({ type: 'udp6', ipv6Only: true }) : createSocket('udp4');
    socket.on('message', (_message, from) =>
      socket.send(`${name} ${from.address} ${from.port}`, from.port, from.address),
    );
    socket.bind(port, address);
    await once(socket, 'listening');
    return;
  }
  const server = createServer((socket) => {
    socket.on('error', () => {});
    socket.end(`${name} ${socket.remoteAddress} ${socket.remotePort}`);
  });
  server.listen({ port, host: address, ipv6Only: true });
  await once(server, 'listening');
}

async function dial(command: DialCommand): Promise<readonly Answer[]> {
  const answers: Answer[] = [];
  for (let i = 0; i < (command.count ?? 1); i++) {
    const started = performance.now();
    const answer = await (command.protocol === 'udp' ? ask(command) : call(command));
    answers.push({ ...answer, ms: performance.now() - started });
  }
  return answers;
}

type Outcome = Omit<Answer, 'ms'>;

const parse = (text: string): Outcome => {
  const [name = '', from = '', port = ''] = text.split(' ');
  return { name, from: from.replace(/^::ffff:/, ''), fromPort: Number(port) };
};

const call = ({ address, port, from, fromPort, timeoutMs = 1000 }: DialCommand) =>
  new Promise<Outcome>((resolve) => {
    const socket = connect({ host: address, port, localAddress: from, localPort: fromPort });
    let text = '';
    const done = (outcome: Outcome) => {
      clearTimeout(timer);
      socket.destroy();
      resolve(outcome);
    };
    const timer = setTimeout(() => done({ error: 'ETIMEDOUT' }), timeoutMs);
    socket.setEncoding('utf8').on('data', (chunk) => {
      text += chunk;
    });
    socket.on('end', () => done(parse(text)));
    socket.on('error', (error) => done({ error: codeOf(error) }));
  });

const ask = ({ address, port, from, fromPort = 0, timeoutMs = 1000 }: DialCommand) =>
  new Promise<Outcome>((resolve) => {
    const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4');
    let open = true;
    const done = (outcome: Outcome) => {
      if (!open) return;
      open = false;
      clearTimeout(timer);
      socket.close();
      resolve(outcome);
    };
    const timer = setTimeout(() => done({ error: 'ETIMEDOUT' }), timeoutMs);
    socket.on('message', (message) => done(parse(message.toString())));
    socket.on('error', (error) => done({ error: codeOf(error) }));
    // A packet refused on its way out fails the sending itself, with EPERM.
    const report = (error: Error | null) => (error === null ? undefined : done({ error: codeOf(error) }));
    // Connected, so that an ICMP error reaches the socket.
    socket.bind(fromPort, from, () => socket.connect(port, address, () => socket.send('?', report)));
  });

const codeOf = (error: Error): string => ('code' in error ? String(error.code) : error.message);

for await (const line of createInterface({ input: process.stdin })) {
  const command: PeerCommand = JSON.parse(line);
  const result = command.op === 'serve' ? serve(command) : dial(command);
  const reply = await result.then(
    (answers) => ({ answers: answers ?? [] }),
    (error: unknown) => ({ failed: String(error) }),
  );
  process.stdout.write(`${JSON.stringify(reply)}\n`);
}
process.exit(0);
