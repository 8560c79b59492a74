import type { Family, MeshPlan } from '../plan.ts';
import { diffContents, diffPlans, isEmpty } from './changes.ts';
import { contentsOf } from './elements.ts';
import type { Generations } from './generations.ts';
import { contentsIn, diffStructure, parseListing, respell } from './listing.ts';
import type { Nft } from './nft.ts';
import { changeScript, cleanupScript, generationScript, tableScript } from './script.ts';
import { familyWord, type Structure, structureOf, TABLE } from './structure.ts';

const FAMILIES = [4, 6] as const satisfies Family[];

interface Comparison {
  readonly family: Family;
  /** For people; empty when the kernel has what it should have. */
  readonly differences: readonly string[];
  /** What makes it so. */
  readonly script: string;
  /** Did the constant part differ, in a table that exists? */
  readonly structural: boolean;
}

/** Our two tables in the kernel. The caller makes one call at a time. */
export class KernelTables {
  readonly #nft: Nft;
  readonly #generations: Generations;
  /** What the kernel has, as far as we know; undefined when it must be read back first. */
  #applied: MeshPlan | undefined;
  readonly #structures = new Map<Family, Structure>(FAMILIES.map((family) => [family, structureOf(family)]));

  constructor(nft: Nft, generations: Generations) {
    this.#nft = nft;
    this.#generations = generations;
  }

  /** Applies what differs from the last applied plan, in one transaction; reads back first where that is not known. */
  async apply(desired: MeshPlan): Promise<void> {
    if (this.#applied === undefined) {
      await this.sync(desired);
      return;
    }
    const changes = diffPlans(this.#applied, desired);
    if (!isEmpty(changes)) await this.#transact(changeScript(changes));
    this.#applied = desired;
  }

  /** Reads both tables back and writes only what differs, in one transaction; resolves with the differences found. */
  async sync(desired: MeshPlan): Promise<readonly string[]> {
    this.#applied = undefined;
    this.#generations.forgetAll();
    const found = await this.#compare(desired);
    const script = found.map((each) => each.script).join('');
    if (script !== '') await this.#transact(script);
    this.#applied = desired;
    for (const { family, structural } of found) if (structural) await this.#learnSpelling(family);
    return found.flatMap(({ differences }) => differences);
  }

  /** Every difference between the kernel and the plan, changing nothing. */
  async differences(desired: MeshPlan): Promise<readonly string[]> {
    return (await this.#compare(desired)).flatMap(({ differences }) => differences);
  }

  async #compare(desired: MeshPlan): Promise<readonly Comparison[]> {
    const texts = await Promise.all(FAMILIES.map((family) => this.#nft.list(family)));
    return FAMILIES.map((family, i) => this.#compareTable(family, texts[i], desired));
  }

  #compareTable(family: Family, text: string | undefined, desired: MeshPlan): Comparison {
    const place = `${familyWord(family)} ${TABLE}`;
    const contents = contentsOf(desired, family);
    if (text === undefined) {
      const script = tableScript(family, contents);
      return { family, differences: [`table ${place} is missing`], script, structural: false };
    }
    const listing = parseListing(text);
    const structure = this.#structures.get(family) ?? structureOf(family);
    const differences = diffStructure(listing, structure);
    if (differences.length > 0) {
      return {
        family,
        differences: differences.map((what) => `${place}: ${what}`),
        script: tableScript(family, contents),
        structural: true,
      };
    }
    const changes = diffContents(family, contentsIn(listing, structure), contents);
    return {
      family,
      differences: [
        ...changes.removed.map(({ set, key }) => `${place}: element ${key} of ${set} is not ours`),
        ...changes.added.map(({ set, key }) => `${place}: element ${key} of ${set} is missing`),
      ],
      script: changeScript(changes),
      structural: false,
    };
  }

  async #transact(script: string): Promise<void> {
    const generation = this.#generations.claim();
    try {
      await this.#nft.run(`${script}${generationScript(generation)}`);
    } catch (error) {
      this.#applied = undefined;
      throw error;
    }
  }

  /** After a table in other words than ours was replaced: what this nft makes of our words is what we expect now. */
  async #learnSpelling(family: Family): Promise<void> {
    const text = await this.#nft.list(family);
    if (text !== undefined) this.#structures.set(family, respell(parseListing(text), structureOf(family)));
  }
}

/** Removes both tables; needs no earlier state. */
export async function removeTables(nft: Nft): Promise<void> {
  await nft.run(cleanupScript);
}
