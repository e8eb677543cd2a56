// Looking at something that may change while one looks: once more then, and never twice at once.

/** `look` is called at the next opportunity after each `start`; `ended` resolves when no call is under way or due. */
export type UntilQuiet = { readonly start: () => void; readonly ended: () => Promise<void> }

/** Nothing is under way yet. */
export const untilQuiet = (look: () => Promise<void>): UntilQuiet => {
  let again = false
  let looking: Promise<void> | null = null
  const lookWhileDue = async (): Promise<void> => {
    while (again) {
      again = false
      await look()
    }
  }
  const start = (): void => {
    again = true
    looking ??= lookWhileDue().finally(() => {
      looking = null
      if (again) start()
    })
  }
  return { start, ended: () => looking ?? Promise.resolve() }
}
