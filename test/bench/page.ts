// What the status page costs, and what it takes to be seen, with 50 listeners and 1,000 servers: a balancer with all its processes
// in a lab, Chromium, and those who look, some of whom read a byte a second. Checks and advertisements are watched from outside.

import { setTimeout as wait } from 'node:timers/promises'
import { z } from 'zod'
import { startBrowser } from '../lab/browser.ts'
import { createLab } from '../lab/lab.ts'
import { listenForOthers } from './datapath/machine-cpu.ts'
import { openField } from './page/field.ts'

const size = { listeners: 50, servers: 20, check: 2000, advertisement: 100 }
const [measureMillis, settleMillis, rounds] = [20_000, 5000, 5]

const sorted = (values: readonly number[]): readonly number[] => values.toSorted((one, other) => one - other)
const quantile = (values: readonly number[], part: number): number =>
  sorted(values)[Math.min(values.length - 1, Math.floor(values.length * part))] ?? Number.NaN
/** `median | 99 % | most`. */
const spread = (values: readonly number[]): string =>
  [0.5, 0.99, 1].map((part) => quantile(values, part).toFixed(1)).join(' | ')
const medianAndMost = (values: readonly number[]): string =>
  `${quantile(values, 0.5).toFixed(0)} (${quantile(values, 1).toFixed(0)})`

const seenSchema = z.object({
  response: z.number(),
  firstPaint: z.number(),
  load: z.number(),
  largestPaint: z.number(),
  live: z.number(),
  longestTask: z.number(),
})
/** What a browser knows of how the page came to be seen, milliseconds from the moment when it was asked for. */
const observed = `(async () => {
  const seen = { tasks: [], largestPaint: NaN }
  const watch = (type, take) => new PerformanceObserver((list) => list.getEntries().forEach(take)).observe({ type, buffered: true })
  watch('largest-contentful-paint', ({ startTime }) => { seen.largestPaint = startTime })
  watch('longtask', ({ duration }) => seen.tasks.push(duration))
  while (document.getElementById('asof').textContent === window.firstAsOf && performance.now() < 10000) await new Promise(requestAnimationFrame)
  const live = performance.now()
  await new Promise((resolve) => setTimeout(resolve, 500))
  const [{ responseEnd, loadEventEnd }] = performance.getEntriesByType('navigation')
  const firstPaint = performance.getEntriesByName('first-contentful-paint')[0].startTime
  return { response: responseEnd, firstPaint, load: loadEventEnd, largestPaint: seen.largestPaint, live, longestTask: Math.max(0, ...seen.tasks) }
})()`

const lab = await createLab({ name: 'bench-page' })
const browser = await startBrowser()
try {
  const field = await openField(lab, size)
  const others = await listenForOthers()
  console.log(`${size.listeners} listeners, ${size.listeners * size.servers} servers; ${others.line}\n`)

  console.log('| document | ms, median (most) | bytes |\n| --- | ---: | ---: |')
  for (const [name, path, ...words] of [
    ['page', '/status'],
    ['page, compressed', '/status', '--header', 'accept-encoding: gzip'],
    ['JSON', '/status/json'],
    ['CSV', '/status;csv'],
    ['metrics', '/metrics'],
  ] as const) {
    const answers = []
    for (let i = 0; i < rounds; i += 1) answers.push(await field.fetch(path, ...words))
    console.log(`| ${name} | ${medianAndMost(answers.map(({ took }) => took))} | ${answers[0]?.bytes} |`)
  }

  console.log('\n| Chromium, ms from the request, median (most) | desktop | phone |\n| --- | ---: | ---: |')
  const views = []
  for (const viewport of [
    { width: 1440, height: 900 },
    { width: 390, height: 844 },
  ]) {
    const seen = []
    for (let i = 0; i < rounds; i += 1) {
      const context = await browser.newContext({ viewport, httpCredentials: field.user })
      await context.addInitScript(
        "addEventListener('DOMContentLoaded', () => { window.firstAsOf = document.getElementById('asof').textContent })",
      )
      const page = await context.newPage()
      await page.goto(`http://127.0.0.1:${field.door.port}/status`)
      seen.push(seenSchema.parse(await page.evaluate(observed)))
      await context.close()
    }
    views.push(seen)
  }
  for (const [name, key] of [
    ['last byte of the answer', 'response'],
    ['first paint', 'firstPaint'],
    ['largest paint', 'largestPaint'],
    ['load', 'load'],
    ['live: what has changed since is shown', 'live'],
    ['longest task of the script or the layout', 'longestTask'],
  ] as const) {
    console.log(`| ${name} | ${views.map((seen) => medianAndMost(seen.map((one) => one[key]))).join(' | ')} |`)
  }

  console.log(
    `\n| who looks, ${measureMillis / 1000} s | checks | off by, median ms | 99 % | most | adverts | off by, median ms | 99 % | most | director, % of a core |\n| --- ${'| ---: '.repeat(9)}|`,
  )
  for (const [name, who, asks] of [
    ['nobody', { live: 0, slow: 0, slowPages: 0 }, false],
    ['64 open pages', { live: 64, slow: 0, slowPages: 0 }, false],
    ['48 open pages, 16 read at 1 byte/s', { live: 48, slow: 16, slowPages: 0 }, false],
    ['those, and 32 whole pages at 1 byte/s', { live: 48, slow: 16, slowPages: 32 }, false],
    ['those, and a page after the other', { live: 48, slow: 16, slowPages: 32 }, true],
    ['nobody', { live: 0, slow: 0, slowPages: 0 }, false],
  ] as const) {
    field.look(who)
    await wait(settleMillis)
    await field.checksOffBy()
    field.advertisementsOffBy()
    const cpu = field.directorCpu()
    const until = performance.now() + measureMillis
    while (asks && performance.now() < until) await field.fetch('/status')
    await wait(until - performance.now())
    const percent = ((field.directorCpu() - cpu) / measureMillis) * 100
    const [checks, adverts] = [await field.checksOffBy(), field.advertisementsOffBy()]
    console.log(
      `| ${name} | ${checks.length} | ${spread(checks)} | ${adverts.length} | ${spread(adverts)} | ${percent.toFixed(0)} |`,
    )
  }
} finally {
  await browser.close()
  await lab.destroy()
}
process.exit()
