// What everything that watches for the tracking has in common.

/** What a watched thing is found to be; `ok` null: not known yet. `value` is the number of a file. */
export type Sight = { readonly ok: boolean | null; readonly text: string; readonly value?: number }

/** Something that is watched. `onChange` of its maker is called when the sight has changed. */
export type Watch = {
  readonly sight: () => Sight
  /** Resolves when nothing of it runs any more. */
  readonly stop: () => Promise<void>
}

/** Before anything is known. */
export const unseen: Sight = { ok: null, text: 'not known yet' }

/**
 * What a watch follows on: what was seen last under its name, which holds until something else is known (a reload must not
 * end a fault), and the end of what ran under its name.
 */
export type Predecessor = { readonly sight: Sight; readonly ended: Promise<void> }

/** Whether two sights mean the same. */
export const isSameSight = (one: Sight, other: Sight): boolean =>
  one.ok === other.ok && one.text === other.text && one.value === other.value
