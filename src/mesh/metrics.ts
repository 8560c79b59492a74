import { Counter, Gauge, Histogram, type Registry } from 'prom-client';

export class MeshMetrics {
  readonly #duration: Histogram;
  readonly #syncs: Counter<'result'>;
  readonly #drift: Counter;
  readonly #backends: Gauge;
  readonly #propagation: Histogram;

  constructor(registry: Registry) {
    const registers = [registry];
    this.#duration = new Histogram({
      name: 'fairlead_mesh_sync_duration_seconds',
      help: 'Time to plan, compare and apply the rules of one service table.',
      buckets: [0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
      registers,
    });
    this.#syncs = new Counter({
      name: 'fairlead_mesh_syncs_total',
      help: 'Attempts to bring the rules to the desired state.',
      labelNames: ['result'],
      registers,
    });
    this.#drift = new Counter({
      name: 'fairlead_mesh_drift_total',
      help: 'How often the rules were found changed by somebody else, and repaired.',
      registers,
    });
    this.#backends = new Gauge({
      name: 'fairlead_mesh_backends',
      help: 'Endpoints the applied rules send connections to, counted once for each service.',
      registers,
    });
    this.#propagation = new Histogram({
      name: 'fairlead_propagation_seconds',
      help: 'Time from the event of a container or the registry to the rules applied.',
      buckets: [0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
      registers,
    });
  }

  synced(durationMs: number, backends: number): void {
    this.#syncs.inc({ result: 'ok' });
    this.#duration.observe(durationMs / 1000);
    this.#backends.set(backends);
  }

  failed(): void {
    this.#syncs.inc({ result: 'error' });
  }

  drifted(): void {
    this.#drift.inc();
  }

  propagated(ms: number): void {
    this.#propagation.observe(ms / 1000);
  }
}
