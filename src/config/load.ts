import { decodeService, refuseTakenIds } from '../containers/static.ts';
import { describeError, errorCode, FairleadError } from '../lib/errors.ts';
import { explain, type Finding, findings, pathText, shown } from '../lib/findings.ts';
import { readTextFile } from '../lib/text-file.ts';
import type { Workload } from '../model/service.ts';
import { type ConfigDocument, readDocument } from './document.ts';
import { fromArguments, fromEnvironment, type Override } from './overrides.ts';
import { type Config, configSchema } from './schema.ts';
import { asksFor, unsupported } from './unsupported.ts';

export interface ConfigSources {
  /** The file's path; without it everything comes from the other two and the defaults. */
  readonly file?: string;
  readonly environment?: Readonly<Record<string, string | undefined>>;
  /** `key=value` of `--set`, in order. */
  readonly set?: readonly string[];
}

/** Everything wrong with a configuration at once; one line each. */
export class ConfigError extends FairleadError {
  readonly errors: readonly string[];

  constructor(errors: readonly string[]) {
    super(
      'config',
      [`the configuration has ${errors.length === 1 ? 'an error' : `${errors.length} errors`}:`, ...errors].join(
        '\n  ',
      ),
    );
    this.errors = errors;
  }
}

/**
 * The configuration: `set` over environment over file over defaults, checked whole.
 * Throws `ConfigError` with every error, each with where it stands, the value, and what is expected.
 */
export async function loadConfig(sources: ConfigSources): Promise<Config> {
  const document = sources.file === undefined ? undefined : readDocument(await readConfigFile(sources.file));
  const environment = fromEnvironment(sources.environment ?? {});
  const set = fromArguments(sources.set ?? []);
  const overrides = [...environment.overrides, ...set.overrides];
  const written = merge(document?.value, overrides);
  const { config, wrong } = check(written);
  const found = [...(document?.faults ?? []), ...wrong].map((finding) =>
    locate(finding, { document, file: sources.file, overrides }),
  );
  const inOrder = found.sort((a, b) => a.line - b.line).map(({ text }) => text);
  const errors = [...inOrder, ...environment.errors, ...set.errors];
  if (config === undefined || errors.length > 0) throw new ConfigError(errors);
  return config;
}

async function readConfigFile(file: string): Promise<string> {
  try {
    return await readTextFile(file);
  } catch (error) {
    const missing = errorCode(error) === 'ENOENT';
    throw new ConfigError([missing ? `${file}: there is no such file` : `${file}: ${describeError(error)}`]);
  }
}

/** Lays the overrides over the file's value, which is left as it is. */
function merge(value: unknown, overrides: readonly Override[]): unknown {
  let root = withoutEmptySections(value);
  for (const override of overrides) root = assign(root, override.option.path, override.value);
  return root;
}

type Section = Readonly<Record<string, unknown>>;
const isSection = (value: unknown): value is Section =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** `dns:` with every key below it commented out is YAML's null and means "nothing said". */
function withoutEmptySections(value: unknown): unknown {
  if (value === null || value === undefined) return {};
  if (!isSection(value)) return value;
  const said = Object.entries(value).filter(([, inner]) => inner !== null);
  return Object.fromEntries(said.map(([key, inner]) => [key, isSection(inner) ? withoutEmptySections(inner) : inner]));
}

/** A copy with one key set; a file that has something else than a section in between keeps it, and its error. */
function assign(root: unknown, [key, ...rest]: readonly string[], value: unknown): unknown {
  if (key === undefined) return value;
  return isSection(root) ? { ...root, [key]: assign(root[key] ?? {}, rest, value) } : root;
}

function valueAt(root: unknown, path: readonly string[]): unknown {
  return path.reduce<unknown>((value, key) => (isSection(value) ? value[key] : undefined), root);
}

function check(written: unknown): { readonly config: Config | undefined; readonly wrong: readonly Finding[] } {
  const missing = unsupported
    .filter((option) => asksFor(option, valueAt(written, option.path)))
    .map(({ path }) => ({ path, message: `${shown(valueAt(written, path))} is not in this version of fairlead` }));
  const services = decodeServices(valueAt(written, ['services']));
  const result = configSchema.safeParse(written, { error: explain });
  const wrong = [...(result.success ? [] : findings(result.error.issues)), ...services.wrong, ...missing];
  const config = result.success ? Object.freeze({ ...result.data, services: services.workloads }) : undefined;
  return { config, wrong };
}

function decodeServices(input: unknown): {
  readonly workloads: readonly Workload[];
  readonly wrong: readonly Finding[];
} {
  // Anything but a list is the schema's error.
  const entries = refuseTakenIds((Array.isArray(input) ? input : []).map(decodeService));
  const wrong = entries.flatMap((entry, index) =>
    entry.findings.map(({ path, message }) => ({ path: ['services', index, ...path], message })),
  );
  return { workloads: Object.freeze(entries.flatMap(({ workloads }) => workloads)), wrong };
}

interface Origins {
  readonly document: ConfigDocument | undefined;
  readonly file: string | undefined;
  readonly overrides: readonly Override[];
}

/** One error as it is printed: where the value was written, the option, what is wrong; those of the file come first. */
function locate(
  { path, message, line }: Finding & { readonly line?: number },
  { document, file, overrides }: Origins,
): { readonly line: number; readonly text: string } {
  const said = path.length === 0 ? message : `${pathText(path)}: ${message}`;
  const override = overrides.findLast(({ option }) => option.path.every((step, index) => path[index] === step));
  if (override !== undefined) return { line: Number.MAX_SAFE_INTEGER, text: `${override.from}: ${said}` };
  const at = line ?? document?.lineOf(path);
  const where = [file, at].filter((part) => part !== undefined).join(':');
  return { line: at ?? 0, text: where === '' ? said : `${where}: ${said}` };
}
