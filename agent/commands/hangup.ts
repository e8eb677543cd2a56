// SIGHUP: heard before it can be answered, since it would end us, and answered once for all that came meanwhile.

/** The signals of this process. */
export type Hangup = {
  /** From now on a signal is answered with `reload`, one at a time; also one that has come already. */
  readonly answerWith: (reload: () => Promise<void>) => void
  /** Answers no more; resolves when the reload under way is done. */
  readonly end: () => Promise<void>
}

/** Starts to listen for the signal. */
export const hearHangup = (): Hangup => {
  let reload: (() => Promise<void>) | null = null
  let underWay: Promise<void> | null = null
  let isDue = false
  const begin = (): void => {
    if (!isDue || reload === null || underWay !== null) return
    isDue = false
    underWay = reload().finally(() => {
      underWay = null
      begin()
    })
  }
  process.on('SIGHUP', () => {
    isDue = true
    begin()
  })
  return {
    answerWith: (work) => {
      reload = work
      begin()
    },
    end: async () => {
      reload = null
      await underWay
    },
  }
}
