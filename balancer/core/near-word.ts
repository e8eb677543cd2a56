// The known word that a mistyped one was meant to be. PURE.

import { closest, distance } from 'fastest-levenshtein'

/** `; did you mean X?` where a known word is near, else nothing. */
export const nearest = (word: string, known: readonly string[]): string => {
  const best = known.length > 0 ? closest(word, known) : ''
  return best !== '' && distance(word, best) <= Math.max(2, word.length / 3) ? `; did you mean ${best}?` : ''
}
