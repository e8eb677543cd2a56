// Debian's tools for HAProxy, each pointed at a runtime socket: what they find there, and what they show.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { freePort } from '../lab/mariadb.ts'
import { waitFor } from '../lab/wait-for.ts'
import type { Place } from './sides.ts'

/** What the plugin of Nagios says of proxies, and its exit status: 0 where all is well. */
export const checkStats = async (socket: string, proxy: string) => {
  const plugin = spawn('/usr/lib/nagios/plugins/check_haproxy_stats', ['--sock', socket, '--proxy', proxy])
  const [said] = await Promise.all([text(plugin.stdout), once(plugin, 'close')])
  return { said: said.trim(), status: plugin.exitCode }
}

/** The metrics that the exporter makes of what it reads at `uri`. */
export const exported = async ({ spawn: start }: Place, uri: string): Promise<readonly string[]> => {
  const port = await freePort()
  const words = [`--web.listen-address=127.0.0.1:${port}`, `--haproxy.scrape-uri=${uri}`]
  const exporter = start('exporter', 'prometheus-haproxy-exporter', words)
  const page = await waitFor('the exporter to answer', () =>
    fetch(`http://127.0.0.1:${port}/metrics`).then(
      (answer) => answer.text(),
      () => undefined,
    ),
  )
  await exporter.stop()
  return page.split('\n').filter((line) => line.startsWith('haproxy_'))
}

/** What hatop draws on a terminal of 150 columns until it shows a word; then it is told to quit, and has to. */
export const hatopShows = async (socket: string, word: RegExp): Promise<string> => {
  const command = `stty rows 30 cols 150; exec hatop -s ${socket}`
  const hatop = spawn('script', ['--quiet', '--return', '--flush', '--command', command, '/dev/null'], {
    env: { ...process.env, TERM: 'xterm' },
    stdio: 'pipe',
  })
  let drawn = ''
  hatop.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    drawn += chunk
  })
  const over = once(hatop, 'close')
  await waitFor('hatop to draw', () => word.test(drawn) || hatop.exitCode !== null)
  hatop.stdin.write('q')
  await over
  if (hatop.exitCode !== 0) throw new Error(`hatop ended with ${hatop.exitCode}: ${drawn}`)
  return drawn
}
