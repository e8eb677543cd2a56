// The program nft: applies rules to nftables in one transaction. The only file that starts it.

import { spawn } from 'node:child_process'
import { keepDescriptors } from './libc.ts'
import { done, type Outcome, refused } from './outcome.ts'

const limitMillis = 2000
const longestAnswer = 500

/** Has nft read commands from its standard input: all of them come into force, or none. */
export const applyRules = async (rules: string): Promise<Outcome> => {
  const answer = await runNft(['-f', '-'], rules)
  return answer.ok ? done : answer
}

/** The tables there are, each as its family and its name. */
export const listTables = async (): Promise<Outcome<readonly string[]>> => {
  const answer = await runNft(['list', 'tables'], '')
  if (!answer.ok) return answer
  return { ok: true, value: [...answer.value.matchAll(/^table (.+)$/gm)].map(([, table = '']) => table) }
}

const runNft = (words: readonly string[], input: string): Promise<Outcome<string>> =>
  new Promise((resolve) => {
    keepDescriptors()
    const child = spawn('nft', words, {
      // A unit's PATH may leave out the folders of system programs.
      env: { PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin` },
      stdio: ['pipe', 'pipe', 'pipe'],
      timeout: limitMillis,
      killSignal: 'SIGKILL',
    })
    child.once('error', (error) => {
      const isMissing = 'code' in error && error.code === 'ENOENT'
      const advice = isMissing ? 'it is not installed; apt-get install nftables' : error.message
      resolve(refused(isMissing ? 'ENOENT' : 'EIO', `cannot run nft: ${advice}`))
    })
    // Whatever the types say: where no file can be opened any more a child has no streams.
    const { stdin, stdout, stderr }: Partial<typeof child> = child
    let said = ''
    stderr?.setEncoding('utf8').on('data', (text: string) => {
      said = `${said}${text}`.slice(0, longestAnswer)
    })
    let answered = ''
    stdout?.setEncoding('utf8').on('data', (text: string) => {
      answered += text
    })
    child.once('close', (code, signal) => {
      if (code === 0) resolve({ ok: true, value: answered })
      else resolve(refused('EIO', `nft failed (${signal ?? `exit code ${code}`}): ${said.split('\n')[0] ?? ''}`))
    })
    // An nft that ends early closes its input; its exit says why.
    stdin?.on('error', () => {})
    stdin?.end(input)
  })
