import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import t from 'tap'

const module = new URL('../../balancer/log.js', import.meta.url).href

t.test('what a process says while its log closes is lost, and is no failure of its own', async (t) => {
  const program = `
    import fs from 'node:fs'
    // A disk that is slow.
    fs.fsync = (_, done) => setTimeout(done, 100)
    const { openLog } = await import('${module}')
    const { log, exit } = openLog('director')
    log.error('the last word')
    void exit(3)
    let said = 0
    setInterval(() => log.info('line ' + said++), 5)
  `
  const run = promisify(execFile)(process.execPath, ['--input-type=module', '--eval', program])
  const { code, stdout, stderr } = await run.then(
    (said) => ({ ...said, code: 0 }),
    (failure: { code: number; stdout: string; stderr: string }) => failure,
  )
  t.match({ code, stderr }, { code: 3, stderr: /^$/ })
  t.match(stdout, /the last word/)
})
