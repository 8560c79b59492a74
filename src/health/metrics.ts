import { Counter, type Registry } from 'prom-client';

export interface HealthMetrics {
  /** Checks run, by what they found: `pass`, `warn`, `fail`. */
  readonly checks: Counter<'result'>;
}

export const createHealthMetrics = (registry: Registry): HealthMetrics => ({
  checks: new Counter({
    name: 'fairlead_health_checks_total',
    help: 'Active health checks run, by result.',
    labelNames: ['result'],
    registers: [registry],
  }),
});
