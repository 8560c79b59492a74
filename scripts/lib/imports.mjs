import { posix } from 'node:path';

/**
 * What a part of src/ (a folder, or a file beside them) may import, besides itself and Node.
 * @typedef {object} Rule
 * @property {readonly string[]} parts other parts
 * @property {boolean} packages npm packages
 */

/** @type {(...parts: string[]) => Rule} */
const may = (...parts) => ({ parts, packages: true });

/**
 * Imports go one way. A part that is not listed may import nothing, so a new one starts with a decision.
 * @type {ReadonlyMap<string, Rule>}
 */
const RULES = new Map([
  ['model', { parts: [], packages: false }],
  ['lib', { parts: [], packages: false }],
  ['log.ts', may('lib', 'model')],
  ['dns', may('model', 'lib')],
  ['mesh', may('model', 'lib')],
  ['proxy', may('model', 'lib')],
  ['registry', may('model', 'lib')],
  ['containers', may('model', 'lib')],
  ['health', may('model', 'lib')],
  ['metrics', may('model', 'lib')],
  ['demo', may('model', 'lib')],
  ['admin', may('model', 'lib')],
  ['config', may('model', 'lib', 'containers')],
  ['cli', may('model', 'lib', 'config', 'admin', 'log.ts')],
]);

/** These put the others together, and see all of them. */
const COMPOSITION = new Set(['agent', 'agent.ts', 'main.ts']);

/** The one file that starts programs; others may name its types. */
const STARTS_PROGRAMS = 'lib/exec.ts';

/** `import … from 'x'`, `export … from 'x'`, `import 'x'`, `import('x')`; `type` when nothing is left of it at run time. */
const IMPORT =
  /^\s*(?:import|export)\s+(?<type>type\s)?[^'"`;=]*?from\s*'(?<from>[^']+)'|\bimport\s*\(?\s*'(?<other>[^']+)'/gm;

/**
 * What is wrong with a file's imports, a line each.
 * @param {string} file below src/: `dns/zone/answer.ts`
 * @param {string} source
 * @returns {string[]}
 */
export function importErrors(file, source) {
  const imports = [...source.matchAll(IMPORT)].map(({ groups = {} }) => ({
    specifier: groups.from ?? groups.other ?? '',
    isType: groups.type !== undefined,
  }));
  return imports.flatMap(({ specifier, isType }) => {
    const reason = refusal(file, specifier, isType);
    return reason === undefined ? [] : [`src/${file}: must not import ${specifier}: ${reason}`];
  });
}

/**
 * @param {string} file
 * @param {string} specifier
 * @param {boolean} isType
 * @returns {string | undefined}
 */
function refusal(file, specifier, isType) {
  const part = partOf(file);
  const rule = RULES.get(part);
  if (specifier.startsWith('node:')) {
    if (part === 'model') return 'the model imports nothing';
    const startsPrograms = specifier === 'node:child_process' && file !== STARTS_PROGRAMS && !isType;
    return startsPrograms ? `programs are started through src/${STARTS_PROGRAMS}` : undefined;
  }
  if (COMPOSITION.has(part)) return undefined;
  if (!specifier.startsWith('.')) return rule?.packages ? undefined : `${part} uses no packages`;
  const target = partOf(posix.join(posix.dirname(file), specifier));
  if (target === part || rule?.parts.includes(target)) return undefined;
  return rule === undefined
    ? `${part} has no rule yet in scripts/lib/imports.mjs`
    : `${part} may import ${['itself', ...rule.parts].join(', ')}`;
}

/** @param {string} file */
const partOf = (file) => file.split('/')[0] ?? file;
