import { expect, it } from 'vitest';
import { exchangeUdp } from '../../../../src/dns/forward/exchange.ts';

it('a server that no route leads to fails the question, and nothing else', async () => {
  // A link-local address without its link: connecting fails at once, as it does where there is no route.
  const server = { address: 'fe80::1', port: 53 };
  const exchange = { server, message: Buffer.alloc(12), isAnswer: () => true, timeoutMs: 2000 };
  await expect(exchangeUdp(exchange)).rejects.toMatchObject({ code: 'upstream-failed' });
});
