// What a form of the page orders, in the words of the runtime socket: both do the same.

/** What can be ordered of servers: the word, and how the page says it. */
export const serverActions: Readonly<Record<string, string>> = {
  ready: 'ready: take sessions again',
  drain: 'drain: no new sessions',
  maint: 'maintenance: no new sessions, no checks',
  weight: 'set the weight to …',
  'end-sessions': 'end all their sessions',
}

/** What can be ordered of a VRRP instance. */
export const routerActions: Readonly<Record<string, string>> = {
  handover: 'hand the addresses over',
  maint: 'maintenance: take no part',
  ready: 'ready: take part again',
}

/** The commands that a form stands for, one after another; or what is wrong with it. */
export type PageOrder =
  | { readonly ok: true; readonly commands: readonly (readonly string[])[] }
  | { readonly ok: false; readonly text: string }

/** Servers that one form may name. */
const mostServers = 1000

/** Reads a form. Whether the names exist is for those to say who carry it out. */
export const readOrder = (form: URLSearchParams): PageOrder => {
  const action = form.get('action') ?? ''
  const instance = form.get('instance')
  if (instance !== null) {
    if (!Object.hasOwn(routerActions, action)) return refuse('choose what to do with the instance')
    return { ok: true, commands: [['vrrp', instance, action]] }
  }
  const listener = form.get('listener') ?? ''
  const servers = [...new Set(form.getAll('server'))]
  if (!Object.hasOwn(serverActions, action)) return refuse('choose what to do with the servers')
  if (listener === '' || servers.length === 0) return refuse('choose at least one server')
  if (servers.length > mostServers) return refuse(`at most ${mostServers} servers at once`)
  const weight = form.get('weight')?.trim() ?? ''
  if (action === 'weight' && weight === '') return refuse('say which weight: 0 to 256, or initial')
  const commandOf = (place: string): readonly string[] => {
    if (action === 'end-sessions') return ['sessions', 'end', place]
    return action === 'weight' ? ['server', place, action, weight] : ['server', place, action]
  }
  return { ok: true, commands: servers.map((server) => commandOf(`${listener}/${server}`)) }
}

const refuse = (text: string): PageOrder => ({ ok: false, text })
