// The picture at the top of the page: the listener's addresses, this host, and its servers.

import type { ListenerStatus, Status } from './status.ts'
import { amount, escapeHtml as e } from './text.ts'

const rowHeight = 56
const boxWidth = 220
const boxHeight = 40
const hostX = 330
const serverX = 660
const width = serverX + boxWidth + 10

/** An SVG of one listener: green lines carry new sessions, dashed red ones do not. */
export const drawing = (status: Status, listener: ListenerStatus): string => {
  const height = Math.max(1, listener.servers.length) * rowHeight + 10
  const middle = height / 2
  const open = listener.binds.some((bind) => bind.open)
  const role = status.vrrp.map(({ name, state }) => `${name} ${state.toUpperCase()}`).join(', ')
  const addresses = listener.binds.map(({ address }) => address).join(', ')
  const servers = listener.servers.map((server, i) => {
    const y = i * rowHeight + rowHeight / 2 + 5
    const takes = server.takes_sessions && (listener.balance !== 'single' || listener.writer === server.name)
    const kind = server.up ? 'ok' : 'bad'
    const flow = takes && open ? ' flow' : ''
    return `${line(hostX + boxWidth, middle, serverX, y, `${kind}${flow}`)}
${box(serverX, y, kind, `${server.name} ${server.status}`, `${amount(server.sessions)} sessions`)}`
  })
  const summary = `${listener.name}: ${open ? 'open' : 'closed'} here, ${listener.servers_up} of ${listener.servers.length} servers up`
  return `<svg viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="${e(summary)}">
${line(10 + boxWidth, middle, hostX, middle, open ? 'ok flow' : 'bad')}
${box(10, middle, open ? 'ok' : 'bad', listener.name, addresses || '-')}
${box(hostX, middle, open ? 'ok' : 'bad', status.router_id, role || 'no VRRP')}
${servers.join('\n')}</svg>`
}

const line = (x1: number, y1: number, x2: number, y2: number, kind: string): string => {
  const bend = (x1 + x2) / 2
  return `<path class="${kind}" d="M${x1} ${y1}C${bend} ${y1} ${bend} ${y2} ${x2} ${y2}"/>`
}

const box = (x: number, middle: number, kind: string, title: string, below: string): string =>
  `<rect class="${kind}" x="${x}" y="${middle - boxHeight / 2}" width="${boxWidth}" height="${boxHeight}" rx="6"/>
<text x="${x + 10}" y="${middle - 4}" font-weight="600">${e(title)}</text><text x="${x + 10}" y="${middle + 13}">${e(below)}</text>`
