/** RFC 1035 label, plus the underscore that Compose and Docker names may carry inside. */
const NAME = /^[a-z0-9](?:[a-z0-9_-]{0,61}[a-z0-9])?$/;

/**
 * A service, stack, port or static endpoint name as it may appear in DNS, rules and the registry, in lower case;
 * undefined where it may not. Everything that reaches a rule or a path has passed here.
 */
export function parseName(text: string): string | undefined {
  const name = text.toLowerCase();
  return NAME.test(name) ? name : undefined;
}

/** What to tell somebody whose name was refused; the name itself shortened and made printable. */
export const nameRule = (text: string): string =>
  `${printable(text)} is not a name: use 1 to 63 letters, digits, "-" or "_", beginning and ending with a letter or digit`;

/** Untrusted text for a message: quoted, control characters escaped, at most 64 characters. */
export const printable = (text: string): string => JSON.stringify(text.length > 64 ? `${text.slice(0, 61)}...` : text);
