// One client of the runtime socket, from its first line to its last (HAProxy management guide, section 9.3): without a prompt it
// is answered what it has said so far and the connection ends, with one it may go on.

import type { Socket } from 'node:net'
import { setImmediate as others, setTimeout as wait } from 'node:timers/promises'
import { plainLines } from '../../core/text.ts'
import { haproxyRefusals, type Level, levels, refusal, suffices } from '../core/commands/command.ts'
import { findCommand, helpText, unknownText } from '../core/commands/find.ts'
import { commandsIn } from '../core/commands/line.ts'
import type { WordsOf } from '../core/commands/table.ts'

/** Carries out a command of one who may give it, and answers. `by` is who gave it, for the log. */
export type RunCommand = (words: readonly string[], by: string) => Promise<string>

/** What a client may do, and how long it may be silent, in milliseconds. */
export type Rights = { readonly level: Level; readonly by: string; readonly idle: number }

/**
 * A running conversation. `isBusy`: a command of it is being carried out. `spokenAt`: when the client said something last, a moment
 * of `performance.now()`; -Infinity where it never did. `unread`: characters that it was told and has not read.
 */
export type Conversation = {
  readonly isBusy: () => boolean
  readonly spokenAt: () => number
  readonly unread: () => number
}

/** What all conversations of a socket have to do with each other. */
export type Company = {
  readonly nextTurn: NextTurn
  /** Somebody was told something: all that is not read yet is kept in memory. */
  readonly onTold: () => void
}

const maximumLineCharacters = 4096
/** For those who have not heard that the conversation is over: what they say then is read, and is of no use. */
const farewellMillis = 1000
/** A day: who comes back tomorrow connects again. */
const longestIdleSeconds = 86_400

/** n: ends after its answers; i: goes on; p: goes on, and is shown when it is its turn. */
const modes = ['n', 'i', 'p'] as const
type Mode = (typeof modes)[number]

/** Resolves when it is the turn of one who has had so many commands carried out before. */
export type NextTurn = (before: number) => Promise<void>

/** However long a turn took: milliseconds in which others are left alone behind it. */
const longestRest = 100

/**
 * Of all who talk at once one has a turn, and behind it checks and everybody else of this process have as much time: what is told of a
 * thousand servers takes tens of milliseconds, and sixty clients that ask for it without a pause would make seconds of them. Who has
 * had the fewest turns comes first: an operator with one command does not wait for them.
 */
export const createNextTurn = (): NextTurn => {
  const waiting: { readonly before: number; readonly begin: () => void }[] = []
  let isServing = false
  let restUntil = 0
  const serve = async (): Promise<void> => {
    isServing = true
    while (waiting.length > 0) {
      await others()
      const rest = Math.min(longestRest, restUntil - performance.now())
      if (rest > 1) await wait(rest)
      const fewest = waiting.reduce((least, { before }) => Math.min(least, before), Number.POSITIVE_INFINITY)
      const [one] = waiting.splice(
        waiting.findIndex(({ before }) => before === fewest),
        1,
      )
      const begunAt = performance.now()
      one?.begin()
      void others().then(() => {
        const now = performance.now()
        restUntil = now + (now - begunAt)
      })
    }
    isServing = false
  }
  return (before) =>
    new Promise((begin) => {
      waiting.push({ before, begin })
      if (!isServing) void serve()
    })
}

/** Begins to listen to a client. */
export const converse = (socket: Socket, run: RunCommand, rights: Rights, company: Company): Conversation => {
  let { level, idle } = rights
  let mode: Mode = 'n'
  let isBusy = false
  let isOver = false
  let turns = 0
  let spokenAt = Number.NEGATIVE_INFINITY

  /** Commands about the conversation itself; undefined where it is to end. */
  const own: Readonly<Record<WordsOf<'connection'>, (rest: readonly string[]) => string | undefined>> = {
    help: (rest) => helpText(rest, level),
    quit: () => undefined,
    prompt: ([wanted]) => {
      const next = wanted === undefined ? (mode === 'p' ? 'n' : 'p') : modes.find((one) => one === wanted)
      if (next === undefined) return `${refusal}write: prompt [${modes.join('|')}]`
      mode = next
      return ''
    },
    'set timeout cli': ([text]) => {
      if (text === undefined) return haproxyRefusals.noTimeout
      const [, digits] = /^(\d{1,6})s?$/.exec(text) ?? []
      const seconds = Number(digits)
      if (!(seconds >= 1 && seconds <= longestIdleSeconds)) return haproxyRefusals.badTimeout
      idle = seconds * 1000
      return ''
    },
    'show cli level': () => level,
    operator: () => lower('operator'),
    user: () => lower('user'),
  }
  const lower = (to: Level): string => {
    if (levels.indexOf(to) < levels.indexOf(level)) level = to
    return ''
  }
  const answerTo = async (words: readonly string[]): Promise<string | undefined> => {
    if (words[0] === 'set' && words[1] === 'timeout' && words[2] !== 'cli') return haproxyRefusals.onlyCli
    const found = findCommand(words)
    if (found === undefined) return unknownText(words, level)
    if (!suffices(level, found.command.level)) return haproxyRefusals.denied
    if (found.command.of === 'connection') return own[found.command.words](found.rest)
    isBusy = true
    // However long it takes: a reload waits for processes that are late.
    socket.setTimeout(0)
    try {
      return await run(words, rights.by)
    } finally {
      isBusy = false
      socket.setTimeout(idle)
    }
  }
  /** Orders of one who has hung up are meant all the same; nobody is left to be shown anything. */
  const isForNobody = (words: readonly string[]): boolean =>
    socket.destroyed && findCommand(words)?.command.level !== 'admin'

  /** Nothing else is done for one who does not read: what is not read yet is all that is kept. */
  const write = (text: string): Promise<void> | undefined => {
    if (socket.destroyed || socket.write(text)) return undefined
    company.onTold()
    return new Promise((resolve) => socket.once('drain', resolve).once('close', resolve))
  }

  const say = (answer: string): Promise<void> | undefined => {
    // It is shown on a terminal, and has words of servers and agents in it.
    const text = plainLines(answer.trimEnd())
    return write(`${text}${text === '' ? '' : '\n'}\n${mode === 'p' ? '> ' : ''}`)
  }
  const obey = async (line: string): Promise<void> => {
    spokenAt = performance.now()
    // With a prompt an empty line asks for another one.
    if (mode !== 'n' && line.trim() === '') return say('')
    for (const words of commandsIn(line)) {
      if (isForNobody(words)) continue
      // Whoever waits for a turn is not silent.
      socket.setTimeout(0)
      await company.nextTurn(turns)
      turns += 1
      socket.setTimeout(idle)
      if (isOver) return
      const answer = await answerTo(words)
      if (answer === undefined) {
        isOver = true
        return
      }
      await say(answer)
      socket.setTimeout(idle)
    }
  }
  const listen = async (): Promise<void> => {
    let text = ''
    const heard: AsyncIterable<string> = socket.iterator({ destroyOnReturn: false })
    for await (const chunk of heard) {
      text += chunk
      let end = text.indexOf('\n')
      for (; end >= 0 && !isOver; end = text.indexOf('\n')) {
        const line = text.slice(0, end)
        text = text.slice(end + 1)
        if (line.length > maximumLineCharacters) return refuseLine()
        await obey(line)
        isOver ||= mode === 'n' && text === ''
      }
      if (isOver) return
      if (text.length > maximumLineCharacters) return refuseLine()
    }
    // Who closes its side after the command may have left out the end of the line.
    if (text !== '' && !isOver) await obey(text)
  }
  const refuseLine = async (): Promise<void> => {
    await say(`${refusal}a line has at most ${maximumLineCharacters} characters`)
  }
  const partFrom = (): void => {
    isOver = true
    socket.end()
    socket.once('finish', () => setTimeout(() => socket.destroy(), farewellMillis).unref())
    socket.resume()
  }
  socket.setEncoding('utf8')
  socket.setTimeout(idle, () => socket.destroy())
  socket.on('error', () => socket.destroy())
  listen().then(partFrom, () => socket.destroy())
  return {
    isBusy: () => isBusy,
    spokenAt: () => spokenAt,
    unread: () => socket.writableLength,
  }
}
