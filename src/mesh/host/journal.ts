import { mkdir, open, readFile, rename } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { errorCode, FairleadError } from '../../lib/errors.ts';

/**
 * One kernel parameter that we changed, and what it was. Paths are below /proc/sys: `net/ipv4/ip_forward`; in the
 * journal of hairpin ports the interface's name.
 */
export interface SysctlChange {
  readonly path: string;
  readonly previous: string;
  readonly ours: string;
  /** Parameters the kernel changes along with this one and would not put back by itself, with their values before. */
  readonly disturbed: Readonly<Record<string, string>>;
}

export interface JournalOptions {
  readonly dataDir: string;
  readonly name?: string;
  /** The kernel's boot id. */
  readonly boot: string;
}

interface JournalFile {
  readonly version: 1;
  /** The kernel's boot id: after a reboot nothing of this is in force. */
  readonly boot: string;
  readonly sysctls: readonly SysctlChange[];
}

/**
 * `<dataDir>/host-journal.json`: what to put back, written and on disk before the change is made, so that a crash at
 * any moment leaves either an unchanged parameter or a way back. In the order of the changes; undone in reverse.
 */
export class HostJournal {
  readonly #file: string;
  readonly #boot: string;

  constructor({ dataDir, name = 'host-journal.json', boot }: JournalOptions) {
    this.#file = join(dataDir, name);
    this.#boot = boot;
  }

  /** Empty without a file, and for one of an earlier boot. Throws `host-journal` for a file that cannot be read. */
  async read(): Promise<readonly SysctlChange[]> {
    try {
      const decoded = decodeJournal(JSON.parse(await readFile(this.#file, 'utf8')));
      return decoded.boot === this.#boot ? decoded.sysctls : [];
    } catch (cause) {
      if (errorCode(cause) === 'ENOENT') return [];
      throw new FairleadError('host-journal', `cannot read ${this.#file}`, {
        cause,
        remedy: 'move it away; kernel parameters changed so far will then stay as they are',
      });
    }
  }

  /** Replaces the file: whole or not at all, and durable when this resolves. */
  async write(sysctls: readonly SysctlChange[]): Promise<void> {
    const content: JournalFile = { version: 1, boot: this.#boot, sysctls };
    const temporary = `${this.#file}.tmp`;
    try {
      await mkdir(dirname(this.#file), { recursive: true });
      await writeSynced(temporary, `${JSON.stringify(content, undefined, 2)}\n`);
      await rename(temporary, this.#file);
      await syncDirectory(dirname(this.#file));
    } catch (cause) {
      throw new FairleadError('host-journal', `cannot write ${this.#file}: no kernel parameter is changed without it`, {
        cause,
        remedy: 'make dataDir writable, with some space left',
      });
    }
  }
}

async function writeSynced(file: string, content: string): Promise<void> {
  await using handle = await open(file, 'w', 0o600);
  await handle.writeFile(content);
  await handle.sync();
}

/** A rename is on disk only when its directory is. */
async function syncDirectory(directory: string): Promise<void> {
  await using handle = await open(directory, 'r');
  await handle.sync();
}

function decodeJournal(value: unknown): JournalFile {
  if (!isRecord(value) || value.version !== 1 || typeof value.boot !== 'string' || !Array.isArray(value.sysctls)) {
    throw new FairleadError('host-journal-format', 'not a journal of version 1');
  }
  return { version: 1, boot: value.boot, sysctls: value.sysctls.map(decodeChange) };
}

function decodeChange(value: unknown): SysctlChange {
  if (isRecord(value) && isRecord(value.disturbed)) {
    const { path, previous, ours, disturbed } = value;
    const strings = Object.entries(disturbed).filter(
      (entry): entry is [string, string] => typeof entry[1] === 'string',
    );
    if (typeof path === 'string' && typeof previous === 'string' && typeof ours === 'string') {
      return { path, previous, ours, disturbed: Object.fromEntries(strings) };
    }
  }
  throw new FairleadError('host-journal-format', 'an entry is incomplete');
}

const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null;
