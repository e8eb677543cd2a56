// Connection tracking changes the size of its table while it is listed, and the list lacks some then: it is listed again.

import { type Outcome, refused } from '../../os/outcome.ts'

/** What was done with the entries of one list: how many of them, and whether it may have lacked some. */
type Listed = { readonly used: number; readonly isTorn: boolean }

/** A table that changes its size doubles it, or so: that does not happen again soon. */
const mostLists = 4

/** Lists until nothing can have been missed; what is done with an entry may be done twice. Refuses where that never is. */
export const untilWhole = async (list: () => Promise<Outcome<Listed>>): Promise<Outcome<number>> => {
  let used = 0
  for (let i = 0; i < mostLists; i += 1) {
    const listed = await list()
    if (!listed.ok) return listed
    used += listed.value.used
    if (!listed.value.isTorn) return { ok: true, value: used }
  }
  return refused('EAGAIN', 'connection tracking changed the size of its table each time that it was listed')
}
