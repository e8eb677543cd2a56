// The page's only script; its hash stands in the Content-Security-Policy. It writes ages, and what `live` sends, into the page
// as it is: no form, no focus and no scroll position is touched. Without it the page asks for itself again.

/** Orders that end sessions or move the address. */
const grave = ['maint', 'end-sessions', 'handover']

/** The script. */
export const liveScript = `
(() => {
'use strict'
const find = (id) => document.getElementById(id)
const page = document.body.dataset
const loadedAt = Date.now()
const shown = new Map()
let skew = Date.parse(page.at) - loadedAt
let source
const units = [['d', 86400000], ['h', 3600000], ['m', 60000], ['s', 1000]]
const duration = (milliseconds) => {
  let rest = Math.max(0, milliseconds)
  if (rest < 1000) return '0s'
  const first = units.findIndex(([, size]) => rest >= size)
  return units.slice(first, first + 2).map(([unit, size]) => {
    const count = Math.floor(rest / size)
    rest -= count * size
    return count > 0 ? count + unit : ''
  }).join('')
}
const write = (element, text) => { if (element.textContent !== text) element.textContent = text }
const age = () => {
  const now = Date.now() + skew
  for (const time of document.getElementsByTagName('time')) {
    if (!('clock' in time.dataset)) write(time, duration(now - Date.parse(time.dateTime)))
  }
}
// Who does not see the page is told what is new in the verdict, not that numbers in it have changed; all of five seconds at once.
const linesOf = () => [...find('verdict').querySelectorAll('p,li')].map((line) => line.lastChild.textContent.trim())
const bare = (line, i) => i === 0 ? line : line.replace(/\\b\\d+\\b/g, '#')
let told = linesOf()
let toldAt = 0
let telling
const tell = () => {
  telling = undefined
  toldAt = Date.now()
  const [known, now] = [told.map(bare), linesOf()]
  told = now
  const fresh = now.filter((line, i) => !known.includes(bare(line, i)))
  if (fresh.length > 0) write(find('news'), fresh.join('. '))
}
const say = (text) => write(find('live'), text)
const isBusy = () => document.activeElement?.closest('form') || document.querySelector('input:checked')
const anew = () => setTimeout(() => location.reload(), Math.max(0, loadedAt + 2000 - Date.now()))
const put = ([key, text]) => {
  if (shown.get(key) === text) return
  shown.set(key, text)
  const [id, cell] = key.split('/')
  if (cell === 'class') { const row = find(id); if (row) row.className = text; return }
  const element = cell === undefined ? find(id) : find(id)?.cells[cell]
  if (element) element.innerHTML = text
  if (key === 'verdict') telling ??= setTimeout(tell, Math.max(300, toldAt + 5000 - Date.now()))
}
const connect = () => {
  source?.close()
  // What was sent once is not as it was loaded.
  source = new EventSource(shown.size > 0 ? page.live : page.live + '?since=' + encodeURIComponent(page.at))
  source.onopen = () => say('live,')
  source.onerror = () => {
    say('NOT LIVE, trying again,')
    if (source.readyState !== EventSource.CLOSED) return
    setTimeout(() => isBusy() ? connect() : location.reload(), page.refresh * 1000)
  }
  source.addEventListener('page', ({ data }) => {
    const { outline, at, title, icon, parts } = JSON.parse(data)
    if (outline !== undefined && outline !== page.outline) return anew()
    skew = Date.parse(at) - Date.now()
    write(find('asof'), at.slice(0, 19).replace('T', ' ') + ' UTC')
    if (document.title !== title) { document.title = title; find('icon').href = icon }
    parts.forEach(put)
    age()
  })
}
document.addEventListener('visibilitychange', () => {
  if (!document.hidden) return connect()
  source?.close()
  say('paused,')
})
const chosenIn = (form) => [...form.elements].filter(({ name, checked }) => name === 'server' && checked).map(({ value }) => value)
const nameChosen = (form) => {
  const place = form.querySelector('[data-chosen]')
  if (place) write(place, chosenIn(form).join(', ') || place.dataset.chosen)
}
document.addEventListener('change', ({ target }) => { if (target.name === 'server') nameChosen(target.form) })
for (const form of document.forms) nameChosen(form)
document.addEventListener('submit', (event) => {
  const form = event.target
  const action = form.elements.action
  if (!${JSON.stringify(grave)}.includes(action.value)) return
  const whom = form.elements.instance ? form.elements.instance.value : chosenIn(form).join(', ')
  if (!confirm(whom + ': ' + action.selectedOptions[0].text + '?')) event.preventDefault()
})
if (location.search !== '') history.replaceState(null, '', location.pathname)
find('answer')?.focus()
setInterval(age, 1000)
if (!document.hidden) connect()
})()
`
