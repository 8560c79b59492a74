import { addBridge, connect, createNetns, type Netns } from './netns.ts';

/** A host with an uplink (192.168.50.1) to a client (192.168.50.2), which is also its default route. */
export interface Host extends AsyncDisposable {
  readonly host: Netns;
  readonly client: Netns;
}

export async function createHost(): Promise<Host> {
  await using stack = new AsyncDisposableStack();
  const host = stack.use(await createNetns('host'));
  const client = stack.use(await createNetns('client'));
  await connect(
    { ns: host, device: 'up0', addresses: ['192.168.50.1/24'], gateways: ['192.168.50.2'] },
    { ns: client, device: 'eth0', addresses: ['192.168.50.2/24'], gateways: ['192.168.50.1'] },
  );
  const owned = stack.move();
  return { host, client, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

/** A container-like namespace at 10.1.0.`n` on the host's bridge br1, which is made with the first of them. */
export async function addContainer(host: Netns, n: number): Promise<Netns> {
  if ((await host.exec('ip', ['link', 'show', 'br1'])).exitCode !== 0) await addBridge(host, 'br1', ['10.1.0.1/24']);
  const ns = await createNetns(`c${n}`);
  await connect(
    { ns, device: 'eth0', addresses: [`10.1.0.${n}/24`], gateways: ['10.1.0.1'] },
    { ns: host, device: `vc${n}`, bridge: 'br1' },
  );
  return ns;
}

/** The body of a page, as a program inside the namespace gets it; the error's code where it gets none. */
export async function fetchIn(ns: Netns, url: string, timeoutMs = 2000): Promise<string> {
  const script = `fetch(process.argv[1], { signal: AbortSignal.timeout(${timeoutMs}) })
    .then((response) => response.text(), (error) => error.cause?.code ?? error.name)
    .then((text) => process.stdout.write(text, () => process.exit()))`;
  return await ns.run(process.execPath, '-e', script, url);
}

/** What `dig +short` prints inside the namespace, line by line. */
export async function dig(ns: Netns, server: string, name: string, type = 'A'): Promise<readonly string[]> {
  const { stdout } = await ns.exec('dig', [`@${server}`, name, type, '+short', '+time=2', '+tries=1', '+norecurse']);
  return stdout
    .trim()
    .split('\n')
    .filter((line) => line !== '');
}
