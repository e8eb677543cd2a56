// The vrrp process: advertisements and virtual addresses, and nothing that could make them late.

import { startServerNotifications } from '../notify/server-notifications.ts'
import { monotonicNow } from '../os/clock.ts'
import { raiseScheduling } from '../os/scheduling.ts'
import type { Fact, VirtualRouterFact } from '../pool/core/facts.ts'
import type { Past } from '../vrrp/past.ts'
import { scriptUserWarning } from '../vrrp/script-users.ts'
import { prepareVirtualRouters } from '../vrrp/virtual-routers.ts'
import { runChild } from './child.ts'

runChild('vrrp', async (assignment) => {
  const { config, log, publish, succeeds } = assignment
  let { resume, facts } = assignment
  const scheduling = raiseScheduling()
  if (scheduling.ok) log.info({ scheduling: scheduling.value }, `The vrrp process runs with ${scheduling.value}`)
  else log.warn(`${scheduling.text}; advertisements may be late under load`)
  const scriptUsers = scriptUserWarning(config)
  if (scriptUsers !== null) log.warn(scriptUsers)
  const was = (name: string): ReturnType<Past['was']> => {
    const found = resume.find(({ instance }) => instance === name)
    const now = monotonicNow()
    if (found === undefined || now >= found.lateUntil) return 'no-master'
    return now < found.until ? 'master' : 'late-master'
  }
  const factOf = (name: string): VirtualRouterFact | undefined =>
    facts.filter(isRouter).find((one) => one.name === name)
  const past = (name: string): Past | null => {
    if (factOf(name) === undefined) return null
    return {
      was: () => was(name),
      hasBegun: () => factOf(name)?.hasBegun === true,
      standsBack: () => factOf(name)?.standsBack === true,
      isInMaintenance: () => factOf(name)?.inMaintenance === true,
      // One program goes on as another: nobody has to hear of it.
      continued: () => (succeeds ? factOf(name) : undefined),
    }
  }
  // As long as another program leads, it tells of the servers too.
  const servers = startServerNotifications(config, log)
  const routers = await prepareVirtualRouters({ config, past, log, publish })
  const hear = (fact: Fact): void => {
    routers.hear(fact)
    servers.hear(fact)
  }
  // What processes said before the first start of this one, nobody has told; its predecessor, or another program, has told the rest.
  const hasPredecessor = facts.some((fact) => fact.fact === 'process' && fact.process === 'vrrp')
  servers.speak(!succeeds && !hasPredecessor)
  facts.forEach(hear)
  servers.speak(!succeeds)
  // Before it may start: who is not heard while others prepare would count as silent when it does.
  assignment.onFact(hear)
  if (succeeds) {
    const lead = await assignment.lead()
    resume = lead.resume
    facts = [...facts.filter((fact) => fact.fact !== 'virtual-router'), ...lead.facts]
    lead.facts.forEach(hear)
  }
  routers.start()
  servers.speak(true)
  return {
    reconfigure: async (next) => {
      const lines = await routers.reconfigure(next)
      return [...lines, ...servers.reconfigure(next)]
    },
    order: async (instance, order) => {
      const outcome = await routers.order(instance, order)
      return { ok: outcome.ok, lines: [outcome.ok ? outcome.value : outcome.text] }
    },
    stepAside: async () => {
      await routers.stepAside()
      servers.speak(false)
    },
    goOn: () => {
      routers.goOn()
      servers.speak(true)
    },
    retire: async () => {
      await Promise.all([routers.retire(), servers.stop()])
    },
    stop: async () => {
      await Promise.all([routers.stop(), servers.stop()])
    },
  }
})

const isRouter = (fact: Fact): fact is VirtualRouterFact => fact.fact === 'virtual-router'
