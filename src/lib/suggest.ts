/** Levenshtein's distance: insertions, deletions and replacements of one character. */
function distance(from: string, to: string): number {
  let previous = Array.from({ length: to.length + 1 }, (_, column) => column);
  for (const [row, letter] of [...from].entries()) {
    const current = [row + 1];
    for (let column = 1; column <= to.length; column++) {
      const replaced = (previous[column - 1] ?? 0) + (letter === to[column - 1] ? 0 : 1);
      current.push(Math.min(replaced, (previous[column] ?? 0) + 1, (current[column - 1] ?? 0) + 1));
    }
    previous = current;
  }
  return previous[to.length] ?? 0;
}

/** The candidate somebody most likely meant, if one is near: at most a third of its letters differ. */
export function suggest(word: string, candidates: readonly string[]): string | undefined {
  // A hostile key of a megabyte is nobody's typing error.
  if (word.length > 64) return undefined;
  const lower = word.toLowerCase();
  const ranked = candidates
    .map((candidate) => ({ candidate, away: distance(lower, candidate.toLowerCase()) }))
    .sort((a, b) => a.away - b.away);
  const [best] = ranked;
  return best !== undefined && best.away <= Math.max(1, best.candidate.length / 3) ? best.candidate : undefined;
}

/** `; did you mean "listen"?`, or nothing. */
export function didYouMean(word: string, candidates: readonly string[]): string {
  const meant = suggest(word, candidates);
  return meant === undefined ? '' : `; did you mean "${meant}"?`;
}
