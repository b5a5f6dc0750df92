import { runInNewContext } from 'node:vm';

/** What all names together may take; a pattern without nested repetitions takes a thousandth of it. */
const BUDGET_MS = 50;
/** A busy machine may use the budget up for something else. */
const TRIES = 3;
/** Repeated beside what is in the pattern itself. */
const USUAL_CHARACTERS = 'aZ0_';
const MAX_SAMPLES = 200;

/**
 * Whether a pattern finds out quickly that a name of this length does not match: requests
 * bring any name, and wait for each other while it is searched (security sheet §5, ReDoS). It is
 * tried on long repetitions of what the pattern is made of, which is what makes patterns with
 * repetitions inside repetitions try every division of the name.
 */
export function isQuick(pattern: RegExp, maxLength: number): boolean {
  const names = hostileNames(pattern.source, maxLength);
  for (let attempt = 0; attempt < TRIES; attempt += 1) {
    try {
      runInNewContext(
        'for (const name of names) pattern.test(name)',
        { pattern, names },
        { timeout: BUDGET_MS },
      );
      return true;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ERR_SCRIPT_EXECUTION_TIMEOUT') throw error;
    }
  }
  return false;
}

function hostileNames(source: string, length: number): string[] {
  const pieces = new Set(USUAL_CHARACTERS);
  const literals = source.match(/[\p{L}\p{N}_-]+/gu) ?? [];
  // Of (ab|a|b)* each of the pieces, and what they are together.
  const together = literals.length > 1 ? [literals.join('')] : [];
  for (const literal of [...literals, ...together]) {
    pieces.add(literal);
    for (const character of literal) pieces.add(character);
  }
  return [...pieces].slice(0, MAX_SAMPLES).flatMap((piece) => {
    const long = piece.repeat(Math.ceil(length / piece.length));
    // Ends that hardly any pattern expects, so that what went well so far is tried again.
    return ['', '!', '\u0001'].map((end) => long.slice(0, length - end.length) + end);
  });
}
