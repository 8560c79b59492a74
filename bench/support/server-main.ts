// Answers one HTTP request a connection and closes it, on every address of its network namespace: the endpoints.
import { createServer } from 'node:net';

const ANSWER = Buffer.from('HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok');

const server = createServer((socket) => {
  socket.once('data', () => socket.end(ANSWER));
  socket.on('error', () => {});
});
server.listen({ port: Number(process.argv[2]), host: '0.0.0.0', backlog: 4096 }, () => process.stdout.write('ready\n'));
