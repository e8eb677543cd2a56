import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import t from 'tap'
import { loadConfig } from '../../../balancer/config/load.ts'
import type { BalancerConfig } from '../../../balancer/config/schema.ts'
import type { ProcessRole } from '../../../balancer/supervisor/core/processes.ts'
import type { ReloadResult } from '../../../balancer/supervisor/messages.ts'
import { createReloader } from '../../../balancer/supervisor/reload.ts'

const directory = mkdtempSync(join(tmpdir(), 'balancer-reload-'))
t.teardown(() => rmSync(directory, { recursive: true }))
const file = join(directory, 'balancer.yaml')

const write = (id: string): void =>
  writeFileSync(
    file,
    `router_id: ${id}\nlisteners: [{ name: m, bind: 198.18.0.2:3306, servers: [{ name: a, address: 198.18.0.3:3306 }] }]\n`,
  )

type Others = {
  readonly begin: (role: ProcessRole) => Promise<ReloadResult>
  readonly end: (role: ProcessRole) => Promise<void>
  /** What runs, made of what stands in the file. */
  readonly change: (config: BalancerConfig) => BalancerConfig
}
const never = (role: ProcessRole): Promise<never> => Promise.reject(new Error(`${role} begins or ends`))
const nothingElse: Others = { begin: never, end: never, change: (config) => config }

const reloaderFor = (
  apply: (role: ProcessRole, config: BalancerConfig) => Promise<ReloadResult>,
  { begin, end, change } = nothingElse,
) => {
  write('before')
  const loaded = loadConfig(file)
  if (!loaded.ok) throw new Error(loaded.problems.join('\n'))
  const log = pino({ level: 'silent' })
  return createReloader({ file, running: change(loaded.config), text: loaded.text, log, apply, begin, end })
}

t.test('the new configuration reaches every process, and what changed is told', async (t) => {
  const applied: string[] = []
  const reloader = reloaderFor(async (role, config) => {
    applied.push(`${role} ${config.router_id}`)
    return { ok: true, lines: role === 'proxy' ? ['listener m changed'] : [] }
  })
  write('after')
  t.same(await reloader.reload(), { ok: true, lines: ['listener m changed'] })
  t.same(applied, ['proxy after', 'director after', 'vrrp after'])
  t.equal(reloader.config().router_id, 'after')
})

t.test('it is busy until the last of those that wait for their turn is over', async (t) => {
  const reloader = reloaderFor(async () => ({ ok: true, lines: [] }))
  t.notOk(reloader.isBusy())
  write('after')
  const [reload, alone] = [reloader.reload(), reloader.alone(() => Promise.reject(new Error('failed')))]
  t.ok(reloader.isBusy())
  await reload
  t.ok(reloader.isBusy())
  await t.rejects(alone)
  t.notOk(reloader.isBusy())
})

t.test('a wrong file changes nothing and reaches nobody', async (t) => {
  const reloader = reloaderFor(() => Promise.reject(new Error('asked')))
  writeFileSync(file, 'router_id: [')
  const result = await reloader.reload()
  t.notOk(result.ok)
  t.match(result.lines.at(-1), 'stays as it was')
  t.equal(reloader.config().router_id, 'before')
})

t.test('the same file again asks nobody', async (t) => {
  const reloader = reloaderFor(() => Promise.reject(new Error('asked')))
  t.same(await reloader.reload(), { ok: true, lines: ['Nothing changed.'] })
})

t.test('when one process cannot apply it, all go back to what ran', async (t) => {
  const applied: string[] = []
  const reloader = reloaderFor(async (role, config) => {
    applied.push(`${role} ${config.router_id}`)
    return role === 'director' && config.router_id === 'after'
      ? { ok: false, lines: ['the port is in use'] }
      : { ok: true, lines: [] }
  })
  write('after')
  t.same(await reloader.reload(), {
    ok: false,
    lines: ['the port is in use', 'The running configuration stays as it was.'],
  })
  t.same(applied, ['proxy after', 'director after', 'proxy before', 'director before'])
  t.equal(reloader.config().router_id, 'before')
})

t.test('one that dies when it has applied it begins anew with what ran before, and gets it again', async (t) => {
  const applied: string[] = []
  const reloader = reloaderFor(async (role, config) => {
    applied.push(`${role} ${config.router_id}`)
    if (role === 'vrrp') reloader.died('director')
    return { ok: true, lines: [] }
  })
  write('after')
  t.match(await reloader.reload(), { ok: true })
  t.same(applied, ['proxy after', 'director after', 'vrrp after', 'director after'])
  t.equal(reloader.config().router_id, 'after')
})

t.test('where that one cannot apply it any more, all go back', async (t) => {
  const applied: string[] = []
  let isDead = false
  const reloader = reloaderFor(async (role, config) => {
    applied.push(`${role} ${config.router_id}`)
    if (role === 'vrrp' && !isDead) {
      isDead = true
      reloader.died('director')
    }
    return role === 'director' && isDead
      ? { ok: false, lines: ['the process director is not running just now'] }
      : { ok: true, lines: [] }
  })
  write('after')
  t.match(await reloader.reload(), { ok: false })
  t.same(applied.slice(3), ['director after', 'proxy before', 'director before', 'vrrp before'])
  t.equal(reloader.config().router_id, 'before')
})

t.test('two reloads at once happen one after the other', async (t) => {
  const applied: string[] = []
  const reloader = reloaderFor(async (role, config) => {
    applied.push(`${role} ${config.router_id}`)
    return { ok: true, lines: [] }
  })
  write('after')
  const both = await Promise.all([reloader.reload(), reloader.reload()])
  t.same(
    both.map(({ lines }) => lines),
    [['Nothing changed.'], ['Nothing changed.']],
  )
  t.same(applied, ['proxy after', 'director after', 'vrrp after'])
})

/** The file has one listener in user space: this is a configuration that needed another forwarder. */
const inKernel = (config: BalancerConfig): BalancerConfig => ({
  ...config,
  listeners: config.listeners.map((listener) => ({ ...listener, datapath: 'kernel' })),
})

/** A reload from the kernel's datapath to user space, with all that happens; `refuses` says what fails. */
const movingReload = (refuses: (step: string) => boolean) => {
  const steps: string[] = []
  const step = async (text: string): Promise<ReloadResult> => {
    steps.push(text)
    return refuses(text) ? { ok: false, lines: [`${text} failed`] } : { ok: true, lines: [] }
  }
  const reloader = reloaderFor((role, config) => step(`${role} ${config.router_id}`), {
    begin: (role: ProcessRole) => step(`begin ${role} while ${reloader.config().router_id} runs`),
    end: async (role: ProcessRole) => void (await step(`end ${role}`)),
    change: inKernel,
  })
  write('after')
  return { reloader, steps }
}
const begins = 'begin proxy while before runs'

t.test('a forwarder that is needed begins first, one that is needed no more ends last', async (t) => {
  const { reloader, steps } = movingReload(() => false)
  t.same(await reloader.reload(), { ok: true, lines: ['listener m: changed datapath; its sessions end'] })
  t.same(steps, [begins, 'proxy after', 'director after', 'vrrp after', 'kernel after', 'end kernel'])
})

t.test('one that cannot begin changes nothing', async (t) => {
  const { reloader, steps } = movingReload((step) => step === begins)
  t.match(await reloader.reload(), { ok: false, lines: [`${begins} failed`, /stays as it was/] })
  t.same(steps, [begins])
  t.equal(reloader.config().router_id, 'before')
})

t.test('one that began ends again when another process refuses', async (t) => {
  const { reloader, steps } = movingReload((step) => step === 'director after')
  t.match(await reloader.reload(), { ok: false })
  t.same(steps, [begins, 'proxy after', 'director after', 'proxy before', 'director before', 'end proxy'])
  t.equal(reloader.config().listeners[0]?.datapath, 'kernel')
})

t.test('one that is to end need not be able to apply anything', async (t) => {
  const { reloader, steps } = movingReload((step) => step === 'kernel after')
  t.match(await reloader.reload(), { ok: true })
  t.equal(steps.at(-1), 'end kernel')
})
