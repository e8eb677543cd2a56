// `setup-user`: makes the check user on the server of this host, with the least it needs, and puts its password in place.

import { homedir, hostname } from 'node:os'
import { join } from 'node:path'
import type { AgentConfig } from '../config/load.ts'
import type { MysqlConfig } from '../config/login.ts'
import { setUpCommand } from '../config/places.ts'
import {
  type Administrator,
  administratorLogin,
  logInAsAdministrator,
  loginAdvice,
  waitForTurn,
} from '../setup/administrator.ts'
import { carryOut } from '../setup/carry-out.ts'
import { clientPlace, ownPlace, type Place, tryLogin } from '../setup/check-login.ts'
import { grantsFor } from '../setup/core/grants.ts'
import { type Plan, planOf } from '../setup/core/plan.ts'
import {
  foundText,
  leftText,
  othersText,
  previewText,
  refusalText,
  type Subject,
  shown,
  undoneText,
} from '../setup/core/sentences.ts'
import type { Seen } from '../setup/core/server.ts'
import type { SetupWords } from '../setup/core/words.ts'
import { handOver } from '../setup/hand-over.ts'
import { knownPassword, type Password } from '../setup/known-password.ts'
import { lookAtServer } from '../setup/look.ts'
import { randomPassword } from '../setup/password.ts'
import { Stop } from '../setup/stop.ts'
import { type ExitStatus, exitStatus } from './exit.ts'

const defaultSocket = '/run/mysqld/mysqld.sock'

/** Where its words go. */
export type Voice = { readonly say: (text: string) => void; readonly complain: (text: string) => void }

const terminal: Voice = {
  say: (text) => void process.stdout.write(text),
  complain: (text) => void process.stderr.write(text),
}

/** Prints what would be done, or does it with `apply`. */
export const setupUser = async (
  config: AgentConfig,
  path: string,
  words: SetupWords,
  voice: Voice = terminal,
): Promise<ExitStatus> => {
  let administrator: Administrator | null = null
  try {
    if (process.geteuid?.() !== 0) throw new Stop(`root alone can do this: sudo ${setUpCommand(path)}`)
    const opened = await openAsAdministrator(config, words)
    administrator = opened.administrator
    return await setUp(config, path, words, opened, voice)
  } catch (error) {
    if (!(error instanceof Stop)) throw error
    voice.complain(`mysqlchk-agent: ${error.message}\n`)
    return exitStatus.failed
  } finally {
    administrator?.end()
  }
}

type Opened = { readonly administrator: Administrator; readonly socket: string }

const openAsAdministrator = async ({ mysql }: AgentConfig, words: SetupWords): Promise<Opened> => {
  const login = administratorLogin(words.optionFile ?? join(homedir(), '.my.cnf'), words.optionFile !== null)
  if (typeof login === 'string') throw new Stop(login)
  const configured = mysql.target.kind === 'socket' ? mysql.target.path : null
  const socket = words.socket ?? login.socket ?? configured ?? defaultSocket
  const opened = await logInAsAdministrator(socket, login)
  if (!opened.ok) throw new Stop(loginAdvice(opened.failure, socket, login.user))
  return { administrator: opened.value, socket }
}

const setUp = async (
  config: AgentConfig,
  path: string,
  words: SetupWords,
  { administrator, socket }: Opened,
  voice: Voice,
): Promise<ExitStatus> => {
  const { say, complain } = voice
  if (words.apply && !(await waitForTurn(administrator))) {
    throw new Stop(
      'another setup-user is at work on this server. Nothing was changed; run this again when that one is done',
    )
  }
  const mysql = { ...config.mysql, user: words.user ?? config.mysql.user }
  const password = knownPassword(mysql, words.passwordFrom, path)
  const looked = await lookAtServer(administrator, mysql.user, config.check.heartbeat)
  if (!looked.ok) throw new Stop(`the server does not tell what it is: ${looked.failure.text}`)
  const seen = looked.value
  const places = { own: await ownPlace(mysql.target), clients: await clientPlace(mysql, seen) }
  const plan = await planFor(config, mysql, seen, places, password, words)
  const subject: Subject = { user: mysql.user, file: password.file, command: setUpCommand(path), host: hostname() }
  say(`${foundText(seen, socket, config.check.mode)}.\n`)
  if (plan.kind !== 'do') {
    complain(refusalText(plan, subject, seen))
    return exitStatus.failed
  }
  if (!words.apply) {
    say(previewText(plan, subject, password))
    return exitStatus.ok
  }

  const text = password.known ?? randomPassword()
  const file = password.isInPlace ? null : password.file
  const outcome = await carryOut(administrator, seen, plan.steps, { text, file })
  if (outcome.kind === 'undone') throw new Stop(undoneText(outcome))
  if (file !== null)
    say(`Wrote ${file}, for root alone${password.known === null ? ': a password made at random' : ''}.\n`)
  if (plan.steps.length === 0) say(`${mysql.user} is there already, with all it needs.\n`)
  else say(`Done:\n${shown(plan.steps)}`)
  if (outcome.inClear && seen.words['log_bin'] === 'ON') {
    say('The server looks at passwords and took no hash: its binary log has this one in the clear.\n')
  }
  const isIn = await proveLogins(mysql, places, text, voice)
  if (password.file !== null) say(`${await handOver(path, password.file)}\n`)
  say(leftText(plan.left) + (plan.steps.length === 0 ? '' : othersText(seen, subject)))
  if (mysql.user !== config.mysql.user) say(`Write user: ${mysql.user} under mysql in ${path}.\n`)
  return isIn ? exitStatus.ok : exitStatus.failed
}

type Places = { readonly own: Place; readonly clients: Place | null }

const planFor = async (
  { check }: AgentConfig,
  mysql: MysqlConfig,
  seen: Seen,
  { own, clients }: Places,
  { known }: Password,
  { setPassword, hosts }: SetupWords,
): Promise<Plan> => {
  const attempt = async (place: Place | null) =>
    place === null || known === null || seen.hosts.length === 0 ? null : tryLogin(place, mysql, known)
  const mine = await attempt(own)
  if (mine?.failure != null && mine.login.kind === 'not-tried') {
    throw new Stop(`the agent's own login at ${own.name} does not work: ${mine.failure.text}`)
  }
  const theirs = await attempt(clients)
  return planOf({
    seen,
    user: mysql.user,
    from: own.from,
    others: [...(clients === null ? [] : [clients.from]), ...hosts],
    login: mine?.login ?? { kind: 'not-tried' },
    welcome: clients !== null && theirs?.login.kind === 'in' ? [clients.from] : [],
    grants: grantsFor(seen, { ...check, adminPort: mysql.extraAlone === true }),
    setPassword,
  })
}

/** The proof of the pudding; where clients come in a login is good to have, and no more. */
const proveLogins = async (
  mysql: MysqlConfig,
  { own, clients }: Places,
  password: string,
  { say, complain }: Voice,
): Promise<boolean> => {
  const mine = await tryLogin(own, mysql, password)
  if (mine.failure !== null) {
    complain(`mysqlchk-agent: the user is made, but does not get in at ${own.name}: ${mine.failure.text}\n`)
    return false
  }
  const theirs = clients === null ? null : await tryLogin(clients, mysql, password)
  if (theirs?.failure != null) say(`It does not get in at ${clients?.name}: ${theirs.failure.text}.\n`)
  const both = theirs !== null && theirs.failure === null ? ` and at ${clients?.name}, where clients come in` : ''
  say(`The login works at ${own.name}${both}.\n`)
  return true
}
