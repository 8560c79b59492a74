import { createHash, timingSafeEqual } from 'node:crypto';
import { isIPv4 } from 'node:net';

/** `127.0.0.1:7470` → `127.0.0.1`, `[::1]:80` → `::1`, lower case. */
function hostOf(header: string): string {
  const [, six, name] = /^(?:\[([^\]]*)\]|([^:]*))(?::\d*)?$/.exec(header.toLowerCase()) ?? [];
  return six ?? name ?? '';
}

/**
 * Is this Host header one that a client of a loopback listener writes? A page whose name was rebound to 127.0.0.1
 * sends its own name, and so cannot read from or write to the agent. The port is free: it may be forwarded.
 */
export function isLoopbackHost(header: string): boolean {
  const host = hostOf(header);
  return host === 'localhost' || host === '::1' || (isIPv4(host) && host.startsWith('127.'));
}

/** The headers a browser adds by itself, and no page can change. */
export interface BrowserHeaders {
  readonly origin: string | undefined;
  readonly fetchSite: string | undefined;
  readonly host: string | undefined;
}

/**
 * Was a request that changes something sent by another site's page? Browsers name the origin of every such request
 * (Fetch §4.6, "append a request Origin header"); programs that are no browsers send neither header.
 */
export function isCrossSite({ origin, fetchSite, host }: BrowserHeaders): boolean {
  if (fetchSite !== undefined && fetchSite !== 'same-origin' && fetchSite !== 'none') return true;
  if (origin === undefined) return false;
  // `null` is the origin of sandboxed frames and local files. Only hosts are compared: TLS may end before us.
  return !URL.canParse(origin) || new URL(origin).host !== host?.toLowerCase();
}

const digest = (text: string): Buffer => createHash('sha256').update(text).digest();

/** Does an Authorization header carry this token (RFC 6750 §2.1)? Takes the same time however much of it is right. */
export function hasToken(authorization: string | undefined, token: string): boolean {
  const given = /^bearer +(.+)$/i.exec(authorization ?? '')?.[1] ?? '';
  return timingSafeEqual(digest(given), digest(token));
}
