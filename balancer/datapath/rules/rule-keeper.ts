// Keeps the rules in the kernel as they are wanted: one transaction after another, each the smallest that is needed. What
// somebody else changes in our table is put back.

import type { Logger } from 'pino'
import { applyRules } from '../../os/nft.ts'
import { watchNft } from '../../os/nft-events.ts'
import { done, type Outcome } from '../../os/outcome.ts'
import { changeText } from './core/change.ts'
import { type OwnTable, placeText } from './core/ownership.ts'
import { type Snapshot, snapshotOf } from './core/snapshot.ts'
import { type Table, tableText } from './core/table.ts'
import { findTable } from './own-table.ts'

/** What keeps the rules. */
export type RuleKeeper = {
  /** Brings what is wanted by then into force; resolves when that is done, or has failed. Calls meanwhile go together. */
  readonly change: () => Promise<Outcome>
  /** Brings this table into force, and calls `commit` in the same moment; else nothing has changed. */
  readonly attempt: (table: Table, commit: () => void) => Promise<Outcome>
  /** Something speaks against what is believed to be there: looks, and puts right what is wrong. */
  readonly doubt: () => void
  /** Why the rules have not been what is wanted for a while; null where they are. */
  readonly problem: () => string | null
  /** Leaves the rules to another process as soon as that changes them, until `resume`. */
  readonly share: () => void
  readonly resume: () => void
  /** Leaves them as they are, once the transaction that runs has ended. */
  readonly close: () => Promise<void>
}

export type RuleKeeperOptions = {
  readonly own: OwnTable
  /** Sets that a driver fills, by name: what comes and goes there is no change of the rules. */
  readonly isFilledByOthers?: (set: string) => boolean
  /** What is there already; null: no table. */
  readonly there: Snapshot | null
  readonly wanted: () => Table
  /** The rules of other programs are others. */
  readonly onOthers: () => void
  /** Our table was put back: what hung on it may have to be set again. */
  readonly onRepaired: () => void
  readonly log: Logger
}

const [shortestPause, longestPause] = [250, 10_000]
/** So long a failure may last before clients are said not to be served as they should. */
const patience = 10_000
/** All is looked at so often although nothing was heard; and so often where nothing can be heard. */
const [netInterval, blindInterval] = [60_000, 2000]

/** Starts to keep them; nothing is changed before the first call. */
export const keepRules = (options: RuleKeeperOptions): RuleKeeper => {
  const { own, isFilledByOthers = () => false, wanted, log } = options
  let there = options.there
  /** What we made of it; null where that is not known. */
  let ours: Table | null = null
  let isBusy = false
  /** Somebody may have changed what is there. */
  let isStale = false
  let failure: { readonly since: number; readonly text: string } | null = null
  let pause = shortestPause
  let retry: NodeJS.Timeout | undefined
  let isShared = false
  let isDormant = false
  let last: Promise<unknown> = Promise.resolve()
  let waiting: Promise<Outcome> | undefined
  /** Transactions that changed our table since we last looked. */
  let heard = 0

  const events = watchNft(
    { family: own.family, name: own.name, isFilledByOthers },
    {
      onCommit: (isOurs) => {
        if (!isOurs) return options.onOthers()
        heard += 1
        // One of ours is counted when it has ended.
        if (!isBusy) othersChanged()
      },
      onOverrun: () => othersChanged(),
      onFailure: (text) => log.error({ text }, `${text}; the rules are looked at every ${blindInterval / 1000} s`),
    },
  )
  if (!events.ok) log.error(`${events.text}; the rules are looked at every ${blindInterval / 1000} s`)
  const drain = (): void => {
    if (events.ok) events.value.drain()
  }
  const othersChanged = (): void => {
    isStale = true
    if (isShared) isDormant = true
    // While a transaction of ours runs this waits for its end.
    if (!isBusy && !isDormant) void change()
  }

  const look = async (): Promise<Outcome> => {
    drain()
    heard = 0
    const found = await findTable(own)
    if (!found.ok) return found
    there = found.value?.snapshot ?? null
    isStale = heard > 0
    const isOther = ours !== null && (there === null || changeText(there, ours) !== '')
    if (isOther && failure === null) repaired(there === null)
    return done
  }
  const repaired = (isGone: boolean): void => {
    const what = isGone ? 'is gone' : 'was changed by somebody'
    log.warn({ table: own.name }, `Table ${placeText(own)} ${what}; the rules are put back`)
    options.onRepaired()
  }
  const bring = async (table: Table): Promise<Outcome> => {
    if (isStale) {
      const looked = await look()
      if (!looked.ok) return looked
    }
    const text = there === null ? tableText(table) : changeText(there, table)
    if (text === '') {
      ours = table
      return done
    }
    heard = 0
    const applied = await applyRules(text)
    drain()
    if (!applied.ok) {
      // It may have come into force all the same.
      isStale = true
      ours = null
      return applied
    }
    there = snapshotOf(table)
    ours = table
    // The first one was ours.
    if (heard > 1) othersChanged()
    return done
  }
  const settle = (outcome: Outcome): Outcome => {
    clearTimeout(retry)
    if (outcome.ok) {
      if (failure !== null) log.info('The rules are what they should be again')
      failure = null
      pause = shortestPause
      if (isStale && !isDormant) void change()
      return outcome
    }
    if (failure?.text !== outcome.text) {
      const text = `The rules could not be changed, and stay as they are: ${outcome.text}`
      log.error({ code: outcome.code }, text)
    }
    failure = { since: failure?.since ?? performance.now(), text: outcome.text }
    retry = setTimeout(() => void change(), pause)
    pause = Math.min(longestPause, pause * 2)
    return outcome
  }
  /** One after another. */
  const inTurn = (act: () => Promise<Outcome>): Promise<Outcome> => {
    const result = last.then(async () => {
      isBusy = true
      try {
        return await act()
      } finally {
        isBusy = false
      }
    })
    last = result.catch(() => {})
    return result
  }
  const change = (): Promise<Outcome> => {
    waiting ??= inTurn(async () => {
      waiting = undefined
      return isDormant ? done : settle(await bring(wanted()))
    })
    return waiting
  }
  const net = setInterval(
    () => {
      isStale = true
      void change()
    },
    events.ok ? netInterval : blindInterval,
  )
  const close = (): Promise<void> => {
    isDormant = true
    clearInterval(net)
    clearTimeout(retry)
    if (events.ok) events.value.close()
    return last.then(() => {})
  }
  return {
    change,
    attempt: (table, commit) =>
      inTurn(async () => {
        const brought = await bring(table)
        if (brought.ok) commit()
        if (brought.ok) return settle(brought)
        // What was there is what is wanted: is it still?
        void change()
        return brought
      }),
    doubt: () => {
      isStale = true
      void change()
    },
    problem: () => {
      const isLasting = failure !== null && (there === null || performance.now() - failure.since >= patience)
      return isLasting ? `the rules are not in force: ${failure?.text ?? ''}` : null
    },
    share: () => {
      isShared = true
    },
    resume: () => {
      isShared = false
      isDormant = false
      isStale = true
      void change()
    },
    close,
  }
}
