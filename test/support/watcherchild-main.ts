import { systemClock } from '../../src/lib/clock.ts';
import { silentLogger } from '../../src/lib/logger.ts';
import { HostWatcher } from '../../src/mesh/host/facts.ts';

const stop = new AbortController();
process.once('SIGTERM', () => stop.abort());
const watcher = new HostWatcher({
  node: 'n1',
  log: silentLogger,
  clock: systemClock,
  onChange: (facts) => void process.stdout.write(`${JSON.stringify(facts)}\n`),
});
await watcher.run(stop.signal);
