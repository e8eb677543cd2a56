// The program nft: applies rules to nftables in one transaction. The only file that starts it.

import { spawn } from 'node:child_process'
import { keepDescriptors } from './libc.ts'
import { done, type Outcome, refused } from './outcome.ts'

const limitMillis = 2000
const longestAnswer = 500

/** Has nft read commands from its standard input: all of them come into force, or none. */
export const applyRules = (rules: string): Promise<Outcome> =>
  new Promise((resolve) => {
    keepDescriptors()
    const child = spawn('nft', ['-f', '-'], {
      // A unit's PATH may leave out the folders of system programs.
      env: { PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin` },
      stdio: ['pipe', 'ignore', 'pipe'],
      timeout: limitMillis,
      killSignal: 'SIGKILL',
    })
    child.once('error', (error) => {
      const isMissing = 'code' in error && error.code === 'ENOENT'
      const advice = isMissing ? 'it is not installed; apt-get install nftables' : error.message
      resolve(refused(isMissing ? 'ENOENT' : 'EIO', `cannot run nft: ${advice}`))
    })
    // Whatever the types say: where no file can be opened any more a child has no streams.
    const { stdin, stderr }: Partial<typeof child> = child
    let said = ''
    stderr?.setEncoding('utf8').on('data', (text: string) => {
      said = `${said}${text}`.slice(0, longestAnswer)
    })
    child.once('close', (code, signal) => {
      if (code === 0) resolve(done)
      else resolve(refused('EIO', `nft failed (${signal ?? `exit code ${code}`}): ${said.split('\n')[0] ?? ''}`))
    })
    // An nft that ends early closes its input; its exit says why.
    stdin?.on('error', () => {})
    stdin?.end(rules)
  })
