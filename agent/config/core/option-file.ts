// The part of a my.cnf that a login needs: user, password and where the server is.

/** What the sections for clients say. `unsafe` names settings that we do not obey and that may matter. */
export type ClientOptions = {
  readonly user?: string
  readonly password?: string
  readonly socket?: string
  readonly host?: string
  readonly port?: number
  readonly unsafe: readonly string[]
}

/** Sections that every client reads, and our own. */
const sections = ['client', 'client-server', 'client-mariadb', 'mysqlchk-agent']
const known = ['user', 'password', 'socket', 'host', 'port'] as const
/** Encryption that somebody asked for must not get lost without a word. */
const unsafeOption = /^(ssl|tls|require-secure)/

/** Reads an option file as the MySQL clients do: later lines win, `-` and `_` are the same, quotes are taken off. */
export const parseOptionFile = (text: string): ClientOptions => {
  let section = ''
  const values = new Map<string, string>()
  const unsafe: string[] = []
  for (const line of text.split(/\r?\n/).map((one) => one.trim())) {
    if (line === '' || line.startsWith('#') || line.startsWith(';')) continue
    if (line.startsWith('!')) {
      unsafe.push(line.split(/\s/)[0] ?? '!')
      continue
    }
    const header = /^\[([^\]]*)\]/.exec(line)
    if (header !== null) {
      section = header[1]?.trim() ?? ''
      continue
    }
    if (!sections.includes(section)) continue
    const [, written = '', value = ''] = /^([^=\s]+)\s*(?:=\s*([\s\S]*))?$/.exec(line) ?? []
    const name = written.toLowerCase().replaceAll('_', '-')
    if (unsafeOption.test(name)) unsafe.push(name)
    else values.set(name, unquoted(value))
  }
  const port = Number(values.get('port') ?? Number.NaN)
  const texts = known.flatMap((name) => {
    const value = values.get(name)
    return value === undefined || name === 'port' ? [] : [[name, value] as const]
  })
  return { ...Object.fromEntries(texts), ...(isPort(port) ? { port } : {}), unsafe }
}

const maximumPort = 65_535
const isPort = (port: number): boolean => Number.isInteger(port) && port >= 1 && port <= maximumPort

/** A value in quotes is taken literally; without quotes a ` #` begins a comment and `\s` and the like are escapes. */
const unquoted = (value: string): string => {
  const [, , quoted] = /^(['"])([\s\S]*)\1(?:\s+#[\s\S]*)?$/.exec(value) ?? []
  return unescaped(quoted ?? value.replace(/\s+#[\s\S]*$/, ''))
}

const escapes: Readonly<Record<string, string>> = { b: '\b', t: '\t', n: '\n', r: '\r', s: ' ', '\\': '\\' }

const unescaped = (value: string): string =>
  value.replace(/\\([\s\S])/g, (both, letter: string) => escapes[letter] ?? both)
