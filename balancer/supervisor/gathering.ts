// Questions of one process to several others, those of earlier programs included, and their answers as one. Each has a limit in
// time: who dies or hangs is told of in the answer.

import type { ProcessRole } from './core/processes.ts'

/** One who is asked: a process of this program, or the process id of an earlier program's worker. */
export type Asked = ProcessRole | number

/** The questions that are not answered yet. */
export type Gathering<Answer> = {
  /** A question; `id` is like no other, of this or another program. `asked` has what each is called. */
  readonly begin: (asker: ProcessRole, id: string, asked: ReadonlyMap<Asked, string>) => void
  readonly answer: (from: Asked, id: string, answer: Answer) => void
  /** One that was asked cannot answer; `why` follows its name. */
  readonly fail: (from: Asked, id: string, why: string) => void
  readonly died: (role: ProcessRole) => void
  /** The worker of an earlier program has no session left. */
  readonly drained: (worker: number) => void
}

export type GatheringOptions<Answer> = {
  readonly merge: (answers: readonly Answer[]) => Answer
  /** The answer of one that has none. */
  readonly troubled: (troubles: readonly string[]) => Answer
  readonly tell: (asker: ProcessRole, id: string, answer: Answer) => void
  /** Milliseconds that a process has for its answer. */
  readonly limit: number
}

type Waiting<Answer> = {
  readonly asker: ProcessRole
  /** Who has not answered, and what that one is called. */
  readonly owing: Map<Asked, string>
  readonly answers: Answer[]
  readonly limit: NodeJS.Timeout
}

const millisPerSecond = 1000
const lookFor = 'look with show sessions, and try again'

/** No question yet. */
export const gatherAnswers = <Answer>(options: GatheringOptions<Answer>): Gathering<Answer> => {
  const { merge, troubled, tell, limit } = options
  const waiting = new Map<string, Waiting<Answer>>()

  const settle = (from: Asked, id: string, answer: Answer): void => {
    const question = waiting.get(id)
    if (question === undefined || !question.owing.delete(from)) return
    question.answers.push(answer)
    if (question.owing.size === 0) finish(id, question)
  }
  const finish = (id: string, { asker, answers, limit: timer }: Waiting<Answer>): void => {
    clearTimeout(timer)
    waiting.delete(id)
    tell(asker, id, merge(answers))
  }
  const fail = (from: Asked, id: string, why: string): void => {
    const name = waiting.get(id)?.owing.get(from)
    settle(from, id, troubled([`${name} ${why}`]))
  }
  const beLate = (id: string): void => {
    const late = [...(waiting.get(id)?.owing.keys() ?? [])]
    for (const from of late) fail(from, id, `has not answered within ${limit / millisPerSecond} s; ${lookFor}`)
  }
  return {
    begin: (asker, id, asked) => {
      const question = { asker, owing: new Map(asked), answers: [], limit: setTimeout(beLate, limit, id) }
      waiting.set(id, question)
      if (asked.size === 0) finish(id, question)
    },
    answer: settle,
    fail,
    died: (role) => {
      for (const id of [...waiting.keys()]) fail(role, id, `died; ${lookFor}`)
    },
    drained: (worker) => {
      for (const id of [...waiting.keys()]) settle(worker, id, troubled([]))
    },
  }
}
