// `npm start`: brings up the whole road in a lab, then shows it live or walks through the tour.

import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { startForwarder } from '../lab/forwarder.ts'
import { startProbe } from '../lab/gap-probe.ts'
import { createLab, type Lab } from '../lab/lab.ts'
import { appUser } from '../lab/mariadb-files.ts'
import { buildSite, proxiedPort, type Site, servicePort, statusLogin, statusPort, virtualAddress } from '../lab/site.ts'
import { startLiveView } from './live-view.ts'
import { runTour } from './tour.ts'

const exitUsage = 64
const exitInterrupted = 130

const help = `npm start               brings up the lab and shows it live until Ctrl-C
npm start -- --tour     brings up the lab, walks through failures, prints a table, ends with 0 or 1
`

const print = (line: string): void => void process.stdout.write(`${line}\n`)

const begun = performance.now()
const progress = (line: string): void =>
  print(`[${((performance.now() - begun) / 1000).toFixed(1).padStart(5)} s] ${line}`)

const arguments_ = (): { readonly tour: boolean; readonly help: boolean } => {
  try {
    const { tour, help } = parseArgs({
      options: { tour: { type: 'boolean', default: false }, help: { type: 'boolean', short: 'h', default: false } },
    }).values
    return { tour, help }
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message.split('. ')[0] : error}\n${help}`)
    process.exit(exitUsage)
  }
}

/** Settles at the first Ctrl-C or SIGTERM. Later ones change nothing: npm passes on a Ctrl-C that is here already. */
const interrupted = (): Promise<'interrupted'> =>
  new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => resolve('interrupted'))
  })

const describeSite = async (site: Site): Promise<void> => {
  const { lab, client, databases, balancers } = site
  const page = await startForwarder(client, { target: { address: virtualAddress, port: statusPort } })
  const inside = `nsenter --net=/run/netns/${client.namespace}`
  const [db1, db2] = databases
  const holder = await site.holder()
  print('')
  print(
    `  address of the service   ${virtualAddress}:${servicePort}  datapath: direct, the servers answer clients themselves`,
  )
  print(`  ${''.padEnd(24)} ${virtualAddress}:${proxiedPort}  datapath: userspace, to compare with`)
  for (const { host } of balancers) print(`  ${host.name.padEnd(24)} ${host.address}`)
  for (const { host } of databases) print(`  ${host.name.padEnd(24)} ${host.address}  agent on port 9222`)
  print(`  ${client.name.padEnd(24)} ${client.address}`)
  print('')
  print(
    `  status page   http://127.0.0.1:${page.port}/status   user ${statusLogin.user}, password ${statusLogin.password}`,
  )
  print('')
  print('Try, in another terminal:')
  print(`  ${inside} mysql --defaults-file=${clientFile(lab)} -e 'select @@hostname'`)
  print(`  ${inside} curl -i http://${db1?.host.address}:9222/`)
  print(`  kill -9 ${db1?.server.pid()}                      # MariaDB on db1`)
  print(`  echo upgrade > ${db2?.forceFailFile}     # take db2 out; rm brings it back`)
  print(
    `  kill ${holder.process().pid}                         # the active balancer, ${holder.host.name}, stops cleanly`,
  )
  print(`  ip -n ${switchOf(lab)} link set ${holder.host.name} down     # pull its cable; up puts it back`)
  print(
    `  nsenter --net=/run/netns/${db1?.host.namespace} node dist/agent/main.js direct-return status --config ${db1?.configFile}`,
  )
  print(`  node dist/balancer/main.js show sessions --config ${holder.configFile}`)
}

const clientFile = (lab: Lab): string => join(lab.directory, 'client.cnf')
const switchOf = (lab: Lab): string => `mlab-${lab.id}-switch`

const toldLines = 5

/** What the lab's programs said last, for whoever has to find out why it failed. */
const lastWords = (lab: Lab): string =>
  readdirSync(lab.directory)
    .filter((file) => file.endsWith('.log'))
    .map((file) => {
      const lines = readFileSync(join(lab.directory, file), 'utf8').trimEnd().split('\n')
      return `${file}:\n${lines.slice(-toldLines).join('\n')}\n`
    })
    .join('\n')

const demo = async (lab: Lab, tour: boolean, interruption: Promise<unknown>): Promise<boolean> => {
  const site = await buildSite(lab, { onProgress: progress, datapath: 'direct', proxied: true })
  const look = (port: number, interval: number) =>
    startProbe(site.client, { target: { address: virtualAddress, port }, ...appUser, interval, sessions: 8 })
  const [probe, proxied] = await Promise.all([look(servicePort, tour ? 10 : 100), look(proxiedPort, 100)])
  await describeSite(site)
  print('')
  if (tour) return runTour(site, { probe, proxied }, print)
  const view = startLiveView(
    site,
    { probe, proxied },
    {
      isTerminal: process.stdout.isTTY,
      write: (text) => process.stdout.write(text),
    },
  )
  await interruption
  view.stop()
  return true
}

const chosen = arguments_()
if (chosen.help) {
  print(help)
  process.exit(0)
}
const stop = interrupted()
// A terminal that was closed takes no more text; the lab is taken away all the same.
process.stdout.on('error', () => {})
const lab = await createLab({ name: chosen.tour ? 'tour' : 'demo', log: progress, handleSignals: false })
let code = 1
try {
  const outcome = await Promise.race([demo(lab, chosen.tour, stop), stop])
  code = outcome === 'interrupted' ? (chosen.tour ? exitInterrupted : 0) : outcome ? 0 : 1
} catch (error) {
  process.stderr.write(`\n${error instanceof Error ? error.message : error}\n\n${lastWords(lab)}`)
}
print('')
progress('taking the lab away')
await lab.destroy()
progress('nothing is left')
process.exit(code)
