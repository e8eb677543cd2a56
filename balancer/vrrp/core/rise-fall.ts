// Counts the results of a tracked script: `rise` good ones in a row make it succeed, `fall` bad ones make it fail.

/** What is known of a script: null before its first result; `against` counts results in a row that say the opposite. */
export type Count = { readonly ok: boolean | null; readonly against: number }

/** How many results in a row it takes. */
export type Limits = { readonly rise: number; readonly fall: number }

/** Before any result: unknown, or failing where the configuration says `init_fail`. */
export const initialCount = (initFail: boolean): Count => ({ ok: initFail ? false : null, against: 0 })

/** Where it is known already: it takes `rise` or `fall` results to change it. */
export const countOf = (ok: boolean): Count => ({ ok, against: 0 })

/** After one more result. The first one decides alone. */
export const counted = ({ ok, against }: Count, passed: boolean, { rise, fall }: Limits): Count => {
  if (ok === null || ok === passed) return { ok: passed, against: 0 }
  return against + 1 >= (passed ? rise : fall) ? { ok: passed, against: 0 } : { ok, against: against + 1 }
}
