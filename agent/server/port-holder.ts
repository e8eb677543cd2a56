// Who was given a port on this host, by what anybody may read: the agent's own user sees no other process.

import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

const services = '/etc/services'
const xinetdDirectory = '/etc/xinetd.d'
/** Of socket units those that are enabled. */
const unitDirectories = ['/etc/systemd/system/sockets.target.wants', '/run/systemd/system']

/** Who has the port and how to have it given back; null where neither xinetd nor a socket unit names it. */
export const portHolder = (port: number): string | null => {
  for (const [file, text] of filesIn(xinetdDirectory, '')) {
    if (portsOfXinetd(text, textOf(services)).includes(port)) {
      return `${file} gives that port to xinetd. Write disable = yes there, then: systemctl reload xinetd`
    }
  }
  for (const [file, text] of unitDirectories.flatMap((directory) => filesIn(directory, '.socket'))) {
    const unit = file.split('/').at(-1)
    if (portsOfSocket(text).includes(port)) return `${unit} has that port. Run: systemctl disable --now ${unit}`
  }
  return null
}

/** The ports of the services in a file of xinetd that are not disabled; `names` is the text of /etc/services. */
export const portsOfXinetd = (text: string, names: string): readonly number[] =>
  [...text.matchAll(/^\s*service\s+(\S+)\s*\{([^}]*)\}/gm)].flatMap(([, name = '', body = '']) => {
    if (/^\s*disable\s*=\s*yes\b/m.test(body)) return []
    const known = names.split('\n').find((line) => line.split(/\s+/)[0] === name && line.includes('/tcp'))
    const port = /^\s*port\s*=\s*(\d+)/m.exec(body)?.[1] ?? /\s(\d+)\/tcp/.exec(known ?? '')?.[1]
    return port === undefined ? [] : [Number(port)]
  })

/** The ports of TCP that a socket unit listens on. */
export const portsOfSocket = (text: string): readonly number[] =>
  [...text.matchAll(/^\s*ListenStream\s*=\s*(?:\S*:)?(\d+)\s*$/gm)].map(([, port]) => Number(port))

const filesIn = (directory: string, ending: string): readonly (readonly [string, string])[] => {
  try {
    const names = readdirSync(directory).filter((name) => name.endsWith(ending) && !name.startsWith('.'))
    return names.map((name) => [join(directory, name), textOf(join(directory, name))])
  } catch {
    return []
  }
}

const textOf = (file: string): string => {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}
