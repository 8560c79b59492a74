import { readFile } from 'node:fs/promises';
import { errorCode, FairleadError } from '../../lib/errors.ts';
import { type ExecResult, exec } from '../../lib/exec.ts';
import { CT_MARK_BIT } from '../mark.ts';

/** A variant whose filter table has the chain. */
interface Present {
  readonly program: string;
  /** As `-S` prints them. */
  readonly rules: readonly string[];
}

/** One of the programs that may hold Docker's rules. */
interface Variant {
  readonly program: string;
  /** Lists the legacy tables in use. Asking the legacy program instead would create the table by asking. */
  readonly legacyTables?: string;
}

const VARIANTS: readonly Variant[] = [
  { program: 'iptables-nft' },
  { program: 'ip6tables-nft' },
  { program: 'iptables-legacy', legacyTables: '/proc/net/ip_tables_names' },
  { program: 'ip6tables-legacy', legacyTables: '/proc/net/ip6_tables_names' },
];

const CHAIN = 'DOCKER-USER';
const MARK = `0x${CT_MARK_BIT.toString(16)}`;
const RULE = ['-m', 'connmark', '--mark', `${MARK}/${MARK}`, '-m', 'comment', '--comment', 'fairlead', '-j', 'ACCEPT'];
/** Seconds to wait for another holder of the xtables lock. */
const LOCK_WAIT = '5';

/**
 * Docker's FORWARD rules drop whatever Docker did not publish. One rule of ours in the chain Docker keeps for such
 * purposes lets connections pass that carry our mark. It stands behind the operator's own rules there, before the
 * RETURN that Docker closes the chain with: what the operator drops stays dropped. Where there is no such chain,
 * nothing is done.
 */
export class DockerFirewall {
  readonly #installed = new Set<string>();
  /** How often our rule had been removed by others, Docker's restart included. */
  repairs = 0;

  /** Level-triggered: sees that the rule is there, once, in every variant that has the chain. */
  async apply(): Promise<void> {
    for (const { program, rules } of await variantsWithChain()) {
      if ((await iptables(program, ['-C', CHAIN, ...RULE])).exitCode === 0) {
        this.#installed.add(program);
        continue;
      }
      const end = rules.indexOf(`-A ${CHAIN} -j RETURN`);
      await iptablesOk(program, [...(end === -1 ? ['-A', CHAIN] : ['-I', CHAIN, String(end + 1)]), ...RULE]);
      if (this.#installed.has(program)) this.repairs += 1;
      this.#installed.add(program);
    }
  }

  /** Removes the rule wherever it is; needs no `apply` before. */
  async undo(): Promise<number> {
    let removed = 0;
    for (const { program } of await variantsWithChain()) {
      while ((await iptables(program, ['-C', CHAIN, ...RULE])).exitCode === 0) {
        await iptablesOk(program, ['-D', CHAIN, ...RULE]);
        removed += 1;
      }
    }
    this.#installed.clear();
    return removed;
  }
}

async function variantsWithChain(): Promise<readonly Present[]> {
  const found: Present[] = [];
  for (const variant of VARIANTS) {
    if (variant.legacyTables !== undefined && !(await hasLegacyFilter(variant.legacyTables))) continue;
    const listed = await installedOnly(() => iptables(variant.program, ['-S', CHAIN]));
    if (listed?.exitCode !== 0) continue;
    found.push({
      program: variant.program,
      rules: listed.stdout.split('\n').filter((line) => line.startsWith('-A ')),
    });
  }
  return found;
}

async function hasLegacyFilter(file: string): Promise<boolean> {
  try {
    return (await readFile(file, 'utf8')).split('\n').includes('filter');
  } catch (error) {
    // Without the kernel's legacy tables there is no file; without the right to read it, none to change a table either.
    if (errorCode(error) === 'ENOENT' || errorCode(error) === 'EACCES') return false;
    throw error;
  }
}

async function installedOnly(run: () => Promise<ExecResult>): Promise<ExecResult | undefined> {
  try {
    return await run();
  } catch (error) {
    if (errorCode(error) === 'exec-missing') return undefined;
    throw error;
  }
}

const iptables = async (program: string, args: readonly string[]): Promise<ExecResult> =>
  await exec(program, ['-w', LOCK_WAIT, ...args]);

async function iptablesOk(program: string, args: readonly string[]): Promise<void> {
  const { exitCode, stderr } = await iptables(program, args);
  if (exitCode === 0) return;
  throw new FairleadError('docker-firewall', `${program} ${args.join(' ')} failed: ${stderr.trim().slice(0, 200)}`, {
    remedy: `connections to endpoints may be dropped; insert it by hand: ${program} -I ${CHAIN} ${RULE.join(' ')}`,
  });
}
