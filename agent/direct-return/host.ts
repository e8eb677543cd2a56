// This host as it is, and the steps that change it.

import { networkInterfaces } from 'node:os'
import { readArpSettings, readIpv4Routes, writeArpSetting } from '../os/arp-settings.ts'
import { addToLoopback, removeFromLoopback } from '../os/ip.ts'
import { applyRules, listTable } from '../os/nft.ts'
import type { Answer } from '../os/run-program.ts'
import type { Found, Step } from './core/plan.ts'
import { parseRoutes } from './core/routes.ts'
import { readTable } from './core/rules.ts'

/** An address with a label (ip address add … label lo:0), as scripts for LVS have it, is listed under that. */
const isLoopback = (name: string): boolean => name === 'lo' || name.startsWith('lo:')

/** The addresses on lo; null where the system does not tell. */
export const loopbackAddresses = (): readonly string[] | null => {
  try {
    const named = Object.entries(networkInterfaces())
    return named.filter(([name]) => isLoopback(name)).flatMap(([, held = []]) => held.map(({ address }) => address))
  } catch {
    return null
  }
}

/** Looks at all that direct return has to do with; `table` is the name of our rules. Throws where the system does not tell. */
export const lookAtHost = async (table: string): Promise<Found> => {
  const listed = await listTable(table)
  const loopback = loopbackAddresses()
  if (loopback === null) throw new Error('this host does not tell its addresses')
  return {
    loopback,
    settings: readArpSettings(),
    routes: parseRoutes(readIpv4Routes()),
    table: listed.ok ? readTable(listed.value) : { is: 'unknown', why: listed.text },
  }
}

/** Makes one change. */
export const carryOut = async (step: Step): Promise<Answer> => {
  switch (step.step) {
    case 'set':
      return writeArpSetting(step.device, step.key, step.value)
    case 'rules':
      return applyRules(step.commands)
    case 'add':
      return addToLoopback(step.address)
    case 'remove':
      return removeFromLoopback(step.address)
    default:
      return step satisfies never
  }
}
