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

const reloaderFor = (apply: (role: ProcessRole, config: BalancerConfig) => Promise<ReloadResult>) => {
  write('before')
  const loaded = loadConfig(file)
  if (!loaded.ok) throw new Error(loaded.problems.join('\n'))
  return createReloader({ file, running: loaded.config, text: loaded.text, log: pino({ level: 'silent' }), apply })
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
