import { createInterface } from 'node:readline';
import { errorCode } from '../../src/lib/errors.ts';
import { silentLogger } from '../../src/lib/logger.ts';
import { chooseNodeAddress } from '../../src/mesh/host/facts.ts';
import { cleanupHost, MeshHost } from '../../src/mesh/host/host.ts';
import { containerBridges, hostAddresses } from '../../src/mesh/host/interfaces.ts';
import { readInterfaces, readRoutes } from '../../src/mesh/host/ip.ts';

const options = JSON.parse(process.argv[2] ?? '{}');
const host = new MeshHost({ ...options, log: silentLogger });

async function facts() {
  const interfaces = await readInterfaces();
  return {
    node: 'n1',
    nodeAddress: chooseNodeAddress(interfaces, await readRoutes(4)),
    bridges: containerBridges(interfaces),
    addresses: hostAddresses(interfaces),
  };
}

const orders = new Map<string, () => Promise<void>>([
  ['apply', async () => await host.apply(await facts())],
  ['cleanup', async () => await host.cleanup()],
  [
    'cleanupHost',
    async () => void (await cleanupHost({ dataDir: options.dataDir, log: silentLogger, removeRules: async () => [] })),
  ],
]);

for await (const line of createInterface({ input: process.stdin })) {
  let error: string | undefined;
  try {
    await orders.get(line)?.();
  } catch (thrown) {
    error = `${errorCode(thrown)}: ${thrown instanceof Error ? thrown.message : thrown}`;
  }
  process.stdout.write(`${JSON.stringify({ error, repairs: host.repairs, warnings: host.check() })}\n`);
}
