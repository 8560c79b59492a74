import { type DestinationStream, pino } from 'pino';
import type { Logger } from './lib/logger.ts';

export interface LogOptions {
  readonly level: 'debug' | 'info' | 'warn' | 'error';
  /** `auto` is pretty on a terminal, else JSON. */
  readonly format: 'auto' | 'json' | 'pretty';
}

/**
 * A logger on standard output, one record a line; written before the call returns, so that nothing is lost at exit.
 * The pretty printer is loaded only where it is used: it doubles the logger's memory.
 */
export async function createLogger({ level, format }: LogOptions): Promise<Logger> {
  const pretty = format === 'pretty' || (format === 'auto' && process.stdout.isTTY);
  const output = pino.destination({ fd: 1, sync: true });
  // A log that cannot be written (a full disk, a reader that is gone) is lost; the agent goes on.
  output.on('error', () => {});
  const destination = pretty ? await prettyDestination(output) : output;
  const logger: Logger = pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    destination,
  );
  return logger;
}

async function prettyDestination(destination: DestinationStream) {
  const { default: pretty } = await import('pino-pretty');
  const colorize = process.stdout.isTTY && (process.env.NO_COLOR ?? '') === '';
  return pretty({ colorize, sync: true, translateTime: 'SYS:HH:MM:ss.l', destination });
}
