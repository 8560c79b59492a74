/** Milliseconds since the epoch with fractions: comparable between processes, and with what Docker notes on its events. */
export const now = (): number => performance.timeOrigin + performance.now();
