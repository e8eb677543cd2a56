// Whether all is well, in one line, and what is not, a line each: what an operator looks at first.

import { oneLine } from '../../../../core/text.ts'
import type { ListenerStatus, RouterStatus, ServerStatus, Status } from '../../model/status.ts'
import { healthzOf } from '../healthz.ts'
import { type Html, html } from '../html.ts'
import { findingLines, senderText } from '../text.ts'
import { conflictNow, stillThere } from '../vrrp-text.ts'

/** `trouble`: clients notice, or soon will; `attention`: something is not as it should be; `well`: nothing to do. */
export type Mood = 'well' | 'attention' | 'trouble'

/** The verdict: its mood, its one line, and what it is made of, the worst first. */
export type Verdict = { readonly mood: Mood; readonly headline: string; readonly findings: readonly Finding[] }

type Finding = { readonly mood: Mood; readonly text: string }

/** From here on a listener is nearly full. */
const nearlyFull = 0.9
const mostServers = 8
/** So many servers of a listener that are down for one reason are told one by one. */
const mostAlike = 3
const notChecked = 'not checked yet'
const mostTexts = 8
/** Of what a check said. */
const longestText = 160

/** Judges the status. */
export const verdictOf = (status: Status): Verdict => {
  const { vrrp, listeners, peers } = status
  // Who took an instance out knows that it is in FAULT.
  const inService = vrrp.filter(({ in_maintenance: isOut }) => !isOut)
  const findings = [
    ...healthzOf({ ...status, vrrp: inService }).lines.map((text): Finding => ({ mood: 'trouble', text })),
    ...vrrp.flatMap(routerFindings),
    ...listeners.flatMap(listenerFindings),
    ...serverFindings(listeners),
    ...bounded([...new Set(listeners.flatMap(findingLines))], 'findings, below at their listeners'),
    ...bounded(peerFindings(peers), 'findings about other balancers'),
    ...bounded(status.findings, 'findings about this host'),
  ]
  const sorted = (['trouble', 'attention', 'well'] as const).flatMap((mood) => findings.filter((f) => f.mood === mood))
  const mood = sorted[0]?.mood ?? 'well'
  const all = listeners.flatMap(({ servers }) => servers)
  const counts = `${all.filter(({ up }) => up).length} of ${all.length} servers up`
  return { mood, headline: `${moodWords[mood]}: ${roleText(vrrp)}, ${counts}`, findings: sorted }
}

const moodWords: Readonly<Record<Mood, string>> = { well: 'All is well', attention: 'Attention', trouble: 'Trouble' }
/** Signs beside the colours, for who sees none. */
export const moodSigns: Readonly<Record<Mood, string>> = { well: '\u2714', attention: '!', trouble: '\u2716' }

const roleText = (vrrp: readonly RouterStatus[]): string => {
  if (vrrp.length === 0) return 'no VRRP here'
  const held = vrrp.filter(({ state }) => state === 'master').flatMap(({ virtual_addresses: all }) => all)
  const absent = vrrp.flatMap((router) => {
    const word = router.in_maintenance ? 'in maintenance' : absentWords[router.state]
    return word === undefined ? [] : [`${router.name} ${word}`]
  })
  const standsBy = held.length === 0 && absent.length < vrrp.length ? ['stands by'] : []
  return [...(held.length === 0 ? standsBy : [`holds ${held.join(', ')}`]), ...absent].join(', ')
}

const absentWords: Readonly<Partial<Record<RouterStatus['state'], string>>> = {
  fault: 'in FAULT',
  init: 'has not begun',
}

const routerFindings = (router: RouterStatus): readonly Finding[] => {
  const { name, state, other_masters: others } = router
  const conflict = conflictNow(router)
  const of = `VRRP instance ${name}`
  return [
    ...(state === 'init' ? [attention(`${of} has not begun`)] : []),
    ...(others.last !== null && others.last.ago_ms < stillThere
      ? [trouble(`${of}: ${senderText(others.last)} says that it is master too`)]
      : []),
    ...(conflict === null ? [] : [trouble(`${of}: ${senderText(conflict)} ${conflict.differs}`)]),
    ...router.findings.map((text) => trouble(`VRRP instance ${text}`)),
    ...router.virtual_routes.flatMap(({ route, trouble: why }) =>
      why === null ? [] : [attention(`${of}: route ${route}: ${why}`)],
    ),
    ...(router.in_maintenance ? [attention(`${of} is in maintenance by order`)] : []),
    ...(router.stands_back ? [attention(`${of} stands back by order, and preempts nobody`)] : []),
    ...(router.handing_over ? [attention(`${of} hands over`)] : []),
  ]
}

const listenerFindings = (listener: ListenerStatus): readonly Finding[] => {
  const { name, balance, writer, panicking, sessions, session_limit: limit, queued } = listener
  return [
    ...(balance === 'single' && writer === null ? [trouble(`Listener ${name} has no writer`)] : []),
    ...(panicking ? [trouble(`Listener ${name}: so few servers pass that all are used`)] : []),
    ...(sessions !== null && sessions >= limit * nearlyFull
      ? [attention(`Listener ${name} has ${sessions} of at most ${limit} sessions`)]
      : []),
    ...(queued !== null && queued > 0 ? [attention(`Listener ${name}: ${queued} clients wait in the queue`)] : []),
  ]
}

const serverFindings = (listeners: readonly ListenerStatus[]): readonly Finding[] => {
  const findings = listeners.flatMap((listener) => [
    ...downFindings(listener),
    ...listener.servers.flatMap((server) => otherFindings(listener, server)),
  ])
  const more = findings.length - mostServers
  return more <= 0 ? findings : [...findings.slice(0, mostServers), attention(`and ${more} more about servers`)]
}

const isDown = ({ admin, up }: ServerStatus): boolean => admin !== 'maint' && !up
const whyDown = ({ last_check: check }: ServerStatus): string => check?.reason ?? notChecked

/** Many that are down for one reason are one finding: the next one must not be out of sight. */
const downFindings = ({ name, servers }: ListenerStatus): readonly Finding[] => {
  const down = servers.filter(isDown)
  return [...new Set(down.map(whyDown))].flatMap((reason) => {
    const alike = down.filter((server) => whyDown(server) === reason)
    if (alike.length <= mostAlike) {
      return alike.map(({ name: server, last_check: check }) =>
        attention(`${name}/${server} is DOWN: ${check === null ? notChecked : checkText(check)}`),
      )
    }
    const names = alike.slice(0, mostAlike).map((server) => server.name)
    return [
      attention(
        `${name}: ${alike.length} servers are DOWN: ${reason} (${names.join(', ')} and ${alike.length - mostAlike} more)`,
      ),
    ]
  })
}

const otherFindings = ({ name }: ListenerStatus, server: ServerStatus): readonly Finding[] => {
  const of = `${name}/${server.name}`
  const holder = server.held_by[0]
  if (server.admin === 'maint') return [attention(`${of} is in maintenance by ${holder?.by ?? 'order'}`)]
  if (!server.up) return []
  if (!server.takes_sessions) return [attention(`${of} gets no new sessions: ${whyNone(server)}`)]
  return server.agent_trouble?.silent ? [attention(`${of}: its agent is silent`)] : []
}

/** What keeps new sessions away, among all that somebody wants of it. */
const whyNone = ({ held_by: all, weight }: ServerStatus): string => {
  const one = all.find(({ wants }) => !/^weight [1-9]|%|^at most/.test(wants)) ?? all[0]
  return one === undefined ? `weight ${weight}` : `${one.wants} by ${one.by}`
}

const checkText = ({ reason, text }: NonNullable<ServerStatus['last_check']>): string =>
  text === '' || text === reason ? reason : `${reason} (${oneLine(text, longestText)})`

/** What a fail-over would cost is told with what keeps it from costing nothing. */
const peerFindings = (peers: Status['peers']): readonly string[] => {
  if (peers === null) return []
  const { trouble: why, fail_over_cost: cost } = peers
  return [
    ...(why === null ? [] : [`Other balancers cannot connect: ${why}`]),
    ...peers.peers.flatMap(({ name, address, connected, why: reason, warnings }) => {
      const who = `Balancer ${name ?? address}`
      return [
        ...(connected ? [] : [`${who} is not connected${reason === null ? '' : `: ${reason}`}`]),
        ...warnings.map((text) => `${who}: ${text}`),
      ]
    }),
    ...(cost === null ? [] : [`${cost.charAt(0).toUpperCase()}${cost.slice(1)}`]),
  ]
}

const bounded = (texts: readonly string[], what: string): readonly Finding[] => {
  const more = texts.length - mostTexts
  return [...texts.slice(0, mostTexts), ...(more > 0 ? [`and ${more} more ${what}`] : [])].map(attention)
}

const trouble = (text: string): Finding => ({ mood: 'trouble', text })
const attention = (text: string): Finding => ({ mood: 'attention', text })

/** The verdict as markup. */
export const verdictMarkup = ({ mood, headline, findings }: Verdict): Html =>
  html`<div class="verdict ${mood}"><p><span aria-hidden="true">${moodSigns[mood]}</span> ${headline}</p>${
    findings.length === 0
      ? null
      : html`<ul class="findings">${findings.map(({ mood: one, text }) => html`<li class="${one}"><span aria-hidden="true">${moodSigns[one]}</span> ${text}</li>`)}</ul>`
  }</div>`
