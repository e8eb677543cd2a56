import { execFile } from 'node:child_process'
import t from 'tap'

t.setTimeout(300_000)
const moduleOf = (name: string): string =>
  JSON.stringify(new URL(`../../../balancer/os/${name}.js`, import.meta.url).href)

/** A process that opens files until it may open no more, and then has programs run. */
const exhausted = `
const { openSync } = await import('node:fs')
const { applyRules } = await import(${moduleOf('nft')})
const { startScript } = await import(${moduleOf('script-process')})
await applyRules('')
try { for (;;) openSync('/dev/null') } catch {}
const script = { command: ['/bin/true'], timeout: 10_000, environment: {}, keepOutput: true }
console.log(JSON.stringify([await applyRules(''), await startScript(script).result]))
`

t.test('where no file can be opened any more, a program that cannot be started is a failure and no more', async (t) => {
  const { NODE_OPTIONS: _, ...env } = process.env
  const words = ['prlimit', '--nofile=100', process.execPath, '--input-type=module', '-e', exhausted]
  const [nft, script] = await new Promise<unknown[]>((resolve, reject) => {
    execFile('/usr/bin/env', words, { env }, (error, out) =>
      error === null ? resolve(JSON.parse(out)) : reject(error),
    )
  })
  t.match(nft, { ok: false, text: /cannot run nft: .*EMFILE/ })
  t.match(script, { ok: false, text: /could not be started: .*EMFILE/ })
})
