// The status page in a browser, of a balancer that runs: what is seen, what may be ordered by whom, and how it is refused.

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { BrowserContextOptions, Page } from 'playwright-core'
import t from 'tap'
import { z } from 'zod'
import { hashPassword } from '../../balancer/config/password-file.ts'
import { looks, startBrowser, violationsOn } from '../lab/browser.ts'
import { startForwarder } from '../lab/forwarder.ts'
import { createLab } from '../lab/lab.ts'
import { balancerProgram as program } from '../lab/programs.ts'
import { waitFor } from '../lab/wait-for.ts'
import { openStandInHost, standInPorts } from './datapaths/stand-in.ts'
import { ask } from './sides.ts'

t.setTimeout(600_000)
const lab = await createLab({ name: 'e2e-page' })
t.teardown(() => lab.destroy())
const balancerHost = await lab.addHost('lb', '198.18.0.2/15')
const standIns = await openStandInHost(await lab.addHost('servers', '198.18.0.10/15'))
const names = ['db1', 'db2', 'db3'] as const
const [db1, db2, db3] = await Promise.all([
  standIns.add({ name: names[0], address: '198.18.1.1', port: 3306, preparedFor: [] }),
  standIns.add({ name: names[1], address: '198.18.1.2', port: 3307, preparedFor: [] }),
  standIns.add({ name: names[2], address: '198.18.1.3', port: 3308, preparedFor: [] }),
])

const users = { operator: 'the operator’s password', viewer: 'the viewer’s password' } as const
const fileOf = (user: string): string => join(lab.directory, `${user}.password`)
for (const [user, password] of Object.entries(users)) {
  writeFileSync(fileOf(user), await hashPassword(password), { mode: 0o600 })
}
const socket = join(lab.directory, 'admin.sock')
const statusPort = 8888
const configFile = join(lab.directory, 'balancer.yaml')
writeFileSync(
  configFile,
  JSON.stringify({
    router_id: 'lb1',
    vrrp: {
      instances: [
        {
          name: 'VI_1',
          interface: 'eth0',
          virtual_router_id: 51,
          version: 3,
          advertisement_interval: '100ms',
          virtual_addresses: ['198.18.0.100/15'],
        },
      ],
    },
    listeners: [
      {
        name: 'mysql',
        bind: '198.18.0.100:3306',
        check: { type: 'http', port: standInPorts.agent, interval: '300ms', rise: 1, fall: 1 },
        servers: [db1, db2, db3].map(({ name, address, port }) => ({ name, address: `${address}:${port}` })),
      },
    ],
    admin: {
      socket,
      http: {
        bind: `${balancerHost.address}:${statusPort}`,
        users: [
          { name: 'operator', role: 'operator', password_file: fileOf('operator') },
          { name: 'viewer', password_file: fileOf('viewer') },
        ],
      },
    },
  }),
)
const env = { RUNTIME_DIRECTORY: lab.directory }
const balancer = balancerHost.spawn('balancer', process.execPath, [program, '--config', configFile], { env })
const browser = await startBrowser()
t.teardown(() => browser.close())
const door = await startForwarder(balancerHost, { target: { address: balancerHost.address, port: statusPort } })
const origin = `http://127.0.0.1:${door.port}`
const address = `${origin}/status`
const authorization = (user: keyof typeof users, password: string = users[user]): string =>
  `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`

/** What the browser complained about, of all pages. */
const complaints: string[] = []
const open = async (user: keyof typeof users, options: BrowserContextOptions = {}): Promise<Page> => {
  const httpCredentials = { username: user, password: users[user] }
  const context = await browser.newContext({ ...options, httpCredentials })
  const page = await context.newPage()
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) complaints.push(message.text())
  })
  page.on('pageerror', (error) => complaints.push(error.message))
  page.on('dialog', (dialog) => void dialog.accept())
  await page.goto(address)
  return page
}
const rowOf = (page: Page, server: string) => page.locator('tbody tr', { hasText: server })
const stateOf = (page: Page, server: string, state: string): Promise<void> =>
  rowOf(page, server).locator('.state', { hasText: state }).waitFor()
const apply = async (page: Page, server: string, action: string): Promise<void> => {
  await page.getByLabel(`Choose mysql/${server}`).check()
  await page.getByLabel('The chosen servers').selectOption(action)
  await page.locator('#f0').getByRole('button').click()
}
const refusals = z.object({ status_page: z.object({ refused: z.record(z.string(), z.number()) }) })
const refusedFor = async (reason: string): Promise<number> => {
  const answer = await fetch(`${address}/json`, { headers: { authorization: authorization('viewer') } })
  return refusals.parse(await answer.json()).status_page.refused[reason] ?? 0
}

const fits = 'document.documentElement.scrollWidth <= innerWidth'
/** Links in a sentence may be of the size of its letters. */
const tooSmall = `[...document.querySelectorAll('main a, button, select, input:not([type=hidden]), summary')]
  .filter((one) => Math.min(one.getBoundingClientRect().width, one.getBoundingClientRect().height) < 24)
  .map((one) => one.outerHTML)`

await waitFor('all servers to be up', async () => {
  const shown = await ask(socket, 'show servers')
  return names.every((name) => new RegExp(`mysql/${name} +UP`).test(shown))
})
await waitFor('the balancer to be master', async () => (await ask(socket, 'show vrrp')).includes('MASTER'))
const page = await open('operator', { viewport: { width: 1440, height: 900 } })

await t.test('the page says in one line that all is well, and is live', async (t) => {
  await page.getByText('live,').waitFor()
  t.match(await page.locator('#verdict').innerText(), /All is well: holds 198\.18\.0\.100, 3 of 3 servers up/)
  t.match(await page.locator('#g0').innerText(), /mysql\s+db1 UP db2 UP db3 UP\s+0 of 4000/)
  t.match(await page.title(), /✔ lb1: All is well/)
  await page.locator('article', { hasText: 'VI_1' }).locator('.state', { hasText: 'MASTER' }).waitFor()
  t.match(await page.locator('#timeline').innerText(), /Entering MASTER STATE, because: /)
})

await t.test('a server that dies is seen at once, and neither focus nor what is chosen is lost', async (t) => {
  const box = page.getByLabel('Choose mysql/db1')
  await box.check()
  await page.getByRole('textbox', { name: 'weight, listener mysql' }).fill('7')
  const begun = performance.now()
  db3.says({ passes: false, reason: 'not-ready' })
  await stateOf(page, 'db3', 'DOWN')
  await page.locator('#g0 .chip.down', { hasText: 'db3 DOWN' }).waitFor()
  t.equal(await rowOf(page, 'db3').last().getAttribute('class'), 'down')
  t.comment(`seen after ${Math.round(performance.now() - begun)} ms, checks each 300 ms`)
  t.match(
    await page.locator('#verdict').innerText(),
    /Attention: .* 2 of 3 servers up\s+! mysql\/db3 is DOWN: not-ready/,
  )
  t.match(await page.locator('#timeline').innerText(), /Server mysql\/db3 is DOWN, reason: Layer7 wrong status/)
  // Who does not see it hears it.
  const said = page.getByRole('status').filter({ hasText: '2 of 3 servers up. mysql/db3 is DOWN: not-ready' })
  await said.waitFor({ state: 'attached' })
  t.equal(await box.isChecked(), true)
  t.equal(await page.evaluate('document.activeElement.name'), 'weight')
  t.equal(await page.getByRole('textbox', { name: 'weight, listener mysql' }).inputValue(), '7')
  await box.uncheck()
})

await t.test('drain from the page: it is carried out, told, and logged with the name of the user', async (t) => {
  await page.getByLabel('Choose mysql/db2').focus()
  await page.keyboard.press('Space')
  await page.locator('#f0').getByRole('button', { name: 'Apply to db2' }).waitFor()
  await apply(page, 'db2', 'drain')
  t.match(await page.locator('#answer').innerText(), /^Done: mysql\/db2: drain/)
  await page.waitForFunction("document.activeElement.id === 'answer'")
  // By keyboard it is one step back to the form.
  await page.keyboard.press('Tab')
  await page.keyboard.press('Enter')
  await page.waitForFunction("document.activeElement.textContent === 'Listener mysql'")
  await stateOf(page, 'db2', 'DRAIN')
  t.match(await ask(socket, 'show events'), 'Server mysql/db2: user operator of the status page ordered drain')
  await balancer.waitForOutput(/user operator of the status page ordered drain/)
})

await t.test('it works without JavaScript too, and then the page asks for itself again', async (t) => {
  const plain = await open('operator', { javaScriptEnabled: false })
  t.match(await plain.content(), '<meta http-equiv="refresh" content="5">')
  // Whoever chooses servers by keyboard has the page stay.
  const stay = async (): Promise<void> => {
    await plain.locator('a[href$="?still"]').click()
    await plain.locator('a[href="/status"]').waitFor()
  }
  await stay()
  t.notMatch(await plain.content(), 'http-equiv="refresh"')
  await apply(plain, 'db2', 'ready')
  t.match(await plain.locator('#answer').innerText(), /^Done: mysql\/db2: ready/)
  await stateOf(page, 'db2', 'UP')
  await stay()
  await apply(plain, 'db2', 'weight')
  t.match(await plain.locator('#answer').innerText(), /^Not done: say which weight/)
  await plain.context().close()
})

await t.test('an instance goes into maintenance and comes back', async (t) => {
  const box = page.locator('article', { hasText: 'VI_1' })
  for (const [order, state] of [
    ['maint', 'FAULT'],
    ['ready', 'MASTER'],
  ] as const) {
    await box.getByRole('combobox').selectOption(order)
    await box.getByRole('button').click()
    t.match(await page.locator('#answer').innerText(), /^Done: /, order)
    await box.locator('.state', { hasText: state }).waitFor()
  }
})

await t.test('a viewer sees all and may order nothing, whatever is sent', async (t) => {
  const shown = await open('viewer')
  await stateOf(shown, 'db1', 'UP')
  t.equal(await shown.locator('form, input, button').count(), 0)
  await shown.context().close()
  const token = await page.locator('input[name=token]').first().inputValue()
  const body = new URLSearchParams({ token, listener: 'mysql', server: 'db1', action: 'drain' })
  const post = (user: keyof typeof users, headers: Record<string, string>, form: URLSearchParams) =>
    fetch(address, {
      method: 'POST',
      redirect: 'manual',
      body: form,
      headers: { authorization: authorization(user), ...headers },
    })
  const without = new URLSearchParams([...body].filter(([name]) => name !== 'token'))
  const cases = [
    ['viewer', await post('viewer', { origin }, body)],
    ['token', await post('operator', { origin }, without)],
    ['origin', await post('operator', { origin: 'http://evil.example' }, body)],
    ['origin', await post('operator', {}, body)],
  ] as const
  for (const [reason, { status }] of cases) t.equal(status, 403, reason)
  t.same(await Promise.all(['viewer', 'token', 'origin'].map(refusedFor)), [1, 1, 2])
  const wrong = await fetch(address, { headers: { authorization: authorization('operator', 'wrong') } })
  t.equal(wrong.status, 401)
  t.notMatch(await wrong.text(), 'db1')
  t.notMatch(await ask(socket, 'show events'), /mysql\/db1: user .* ordered/)
})

await t.test('axe finds nothing, on a phone and on a desktop, in light and dark', async (t) => {
  await page.evaluate("document.querySelector('details').open = true")
  for (const { name, colorScheme, viewport } of looks) {
    await page.setViewportSize(viewport)
    await page.emulateMedia({ colorScheme })
    // What differs in the dark are colours.
    t.same(await violationsOn(page, colorScheme === 'dark' ? ['color-contrast'] : undefined), [], name)
    t.equal(await page.evaluate(fits), true, `${name}: the page fits`)
  }
  // Small phones, and a desktop at 400 %.
  for (const width of [360, 320]) {
    await page.setViewportSize({ width, height: 640 })
    t.equal(await page.evaluate(fits), true, `it fits into ${width} px`)
  }
  t.same(await page.evaluate(tooSmall), [], 'what is pointed at is large enough (WCAG 2.2, 2.5.8)')
  await page.emulateMedia({ media: 'print', colorScheme: 'dark' })
  t.equal(await page.evaluate('getComputedStyle(document.body).color'), 'rgb(27, 31, 36)', 'paper is white')
})

await t.test('the browser had nothing to complain about', async (t) => {
  t.same(complaints, [])
})
