// `balancer check`.

import { demandWarnings } from '../config/demand.ts'
import { loadConfig } from '../config/load.ts'
import { hostLimits } from '../os/host-limits.ts'
import { outlookOf } from '../vrrp/core/outlook.ts'
import { hostWarnings } from '../vrrp/host-warnings.ts'
import { prospectsOf, untracked } from '../vrrp/prospects.ts'
import { advertisementWarnings } from './advertisement-check.ts'
import { adviceOf } from './advice.ts'
import { directWarnings } from './direct-check.ts'
import { configProblems } from './exit.ts'
import { kernelWarnings } from './kernel-check.ts'
import { ownAnswersWarnings } from './own-answers-check.ts'
import { peersWarnings } from './peers-check.ts'
import { keepalivedRivals, portWarnings } from './rivals.ts'

/** Checks a configuration, tells what each tracked failure leads to, and warns of what this host makes of it. */
export const check = async (file: string): Promise<number> => {
  const loaded = loadConfig(file)
  if (!loaded.ok) return configProblems(loaded.problems)
  for (const warning of loaded.warnings) process.stderr.write(`warning: ${warning}\n`)
  const { listeners, vrrp } = loaded.config
  const servers = listeners.reduce((sum, listener) => sum + listener.servers.length, 0)
  process.stdout.write(
    `${file} is valid: ${vrrp.instances.length} VRRP instance(s), ${listeners.length} listener(s), ${servers} server(s)\n`,
  )
  for (const { isWarning, text } of prospectsOf(vrrp).flatMap(outlookOf)) {
    process[isWarning ? 'stderr' : 'stdout'].write(isWarning ? `warning: ${text}\n` : `  ${text}\n`)
  }
  for (const text of [
    ...untracked(vrrp),
    ...hostWarnings(vrrp),
    ...demandWarnings(listeners, hostLimits()),
    ...keepalivedRivals(vrrp.instances).map(adviceOf),
    ...portWarnings(loaded.config),
    ...(await advertisementWarnings(vrrp.instances)),
    ...(await kernelWarnings(loaded.config)),
    ...(await directWarnings(loaded.config)),
    ...(await peersWarnings(loaded.config, file)),
    ...(await ownAnswersWarnings(loaded.config, file)),
  ]) {
    process.stderr.write(`warning: ${text}\n`)
  }
  return 0
}
