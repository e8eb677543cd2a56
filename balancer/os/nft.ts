// The program nft: applies rules to nftables in one transaction. The only file that starts it.

import { spawn } from 'node:child_process'
import { codeOf } from '../core/error-text.ts'
import { keepDescriptors } from './libc.ts'
import { done, type Outcome, refused } from './outcome.ts'

const usualLimit = 2000
/** For some ten thousand servers on a busy host: their rules took 2.5 s to apply, and 3 s to list. */
const largeLimit = 15_000
const largeInput = 32 * 1024
const longestComplaint = 500
/** Nft 1.0.6 says so of each statement that its JSON has no word for, and lists the rest. */
const warning = /^warning: .*\n/gm
/** Of a host with some ten thousand rules. */
const longestAnswer = 64 * 1024 * 1024

/** Has nft read commands from its standard input: all of them come into force, or none. */
export const applyRules = async (rules: string): Promise<Outcome> => {
  const answer = await runNft(['-f', '-'], rules, rules.length > largeInput ? largeLimit : usualLimit)
  return answer.ok ? done : answer
}

/** The tables there are, each as its family and its name. */
export const listTables = async (): Promise<Outcome<readonly string[]>> => {
  const answer = await runNft(['list', 'tables'], '')
  if (!answer.ok) return answer
  return { ok: true, value: [...answer.value.matchAll(/^table (.+)$/gm)].map(([, table = '']) => table) }
}

/** Which table: a family as nft names it, and a name. */
export type NftTable = { readonly family: string; readonly name: string }

/** What is in a table, as JSON (libnftables-json(5)); null where there is none. */
export const listTable = ({ family, name }: NftTable): Promise<Outcome<string | null>> =>
  listed(['table', family, name])

/** A set or map of a table with its elements, as JSON; null where there is none. */
export const listSet = (
  { family, name }: NftTable,
  set: { readonly kind: 'set' | 'map'; readonly name: string },
): Promise<Outcome<string | null>> => listed([set.kind, family, name, set.name])

const listed = async (words: readonly string[]): Promise<Outcome<string | null>> => {
  const answer = await runNft(['-j', 'list', ...words], '', largeLimit)
  const isMissing = !answer.ok && answer.code === 'EIO' && answer.text.includes('No such file or directory')
  return isMissing ? { ok: true, value: null } : answer
}

/**
 * All rules and counters of this host, or of a family, without the elements of sets, as JSON: no shorter list of counters is
 * as quick.
 */
export const listTerse = (family?: string): Promise<Outcome<string>> =>
  runNft(['-j', '-t', 'list', 'ruleset', ...(family === undefined ? [] : [family])], '')

/** Has nft and the kernel look at commands without carrying them out: a refusal is theirs. */
export const tryRules = async (rules: string): Promise<Outcome> => {
  const answer = await runNft(['-c', '-f', '-'], rules)
  return answer.ok ? done : answer
}

/** All rules of this host without the elements of sets, for programs (`json`) and for people, each rule with its handle. */
export const listRules = async (): Promise<Outcome<{ readonly json: string; readonly text: string }>> => {
  const [json, text] = await Promise.all([listTerse(), runNft(['-a', '-t', 'list', 'ruleset'], '')])
  if (!json.ok) return json
  return text.ok ? { ok: true, value: { json: json.value, text: text.value } } : text
}

const runNft = (words: readonly string[], input: string, limit = usualLimit): Promise<Outcome<string>> =>
  new Promise((resolve) => {
    keepDescriptors()
    const child = spawn('nft', words, {
      // A unit's PATH may leave out the folders of system programs.
      env: { PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin` },
      stdio: ['pipe', 'pipe', 'pipe'],
      timeout: limit,
      killSignal: 'SIGKILL',
    })
    child.once('error', (error) => {
      const isMissing = codeOf(error) === 'ENOENT'
      const advice = isMissing ? 'it is not installed; apt-get install nftables' : error.message
      resolve(refused(isMissing ? 'ENOENT' : 'EIO', `cannot run nft: ${advice}`))
    })
    // Whatever the types say: where no file can be opened any more a child has no streams.
    const { stdin, stdout, stderr }: Partial<typeof child> = child
    let said = ''
    stderr?.setEncoding('utf8').on('data', (text: string) => {
      said = `${said}${text}`.replaceAll(warning, '').slice(0, longestComplaint)
    })
    let answered = ''
    stdout?.setEncoding('utf8').on('data', (text: string) => {
      answered += text
      if (answered.length <= longestAnswer) return
      said = 'it never stops answering'
      child.kill('SIGTERM')
    })
    child.once('close', (code, signal) => {
      if (code === 0) resolve({ ok: true, value: answered })
      else resolve(complaint(said.split('\n')[0] ?? '', code, signal, limit))
    })
    // An nft that ends early closes its input; its exit says why.
    stdin?.on('error', () => {})
    stdin?.end(input)
  })

/** Why nft did not do it, and what to do about it where that is plain. */
const complaint = (said: string, code: number | null, signal: string | null, limit: number): Outcome<never> => {
  if (signal === 'SIGKILL') return refused('ETIMEDOUT', `nft gave no answer within ${limit / 1000} s`)
  if (/operation not permitted/i.test(said)) {
    return refused(
      'EPERM',
      'nft may not change the rules of this host: it needs CAP_NET_ADMIN, which a container gets with --cap-add NET_ADMIN',
    )
  }
  return refused('EIO', `nft failed (${signal ?? `exit code ${code}`}): ${said}`)
}
