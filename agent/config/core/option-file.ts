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
/** Encryption, a way to the server or a way to log in that somebody asked for must not get lost without a word. */
const unsafeOption = /^(ssl|tls|require-secure|protocol|default-auth|plugin-dir)/

/** Reads an option file as the MySQL clients do: later lines win, `-` and `_` are the same, quotes are taken off. */
export const parseOptionFile = (text: string): ClientOptions => {
  let section = ''
  const values = new Map<string, string>()
  const unsafe = new Set<string>()
  for (const line of text.split(/\r?\n/).map(stripped)) {
    if (line === '' || line.startsWith('#') || line.startsWith(';')) continue
    if (line.startsWith('!')) {
      unsafe.add(line.split(/\s/)[0] ?? '!')
      continue
    }
    const header = /^\[([^\]]*)\]/.exec(line)
    if (header !== null) {
      section = stripped(header[1] ?? '')
      continue
    }
    if (!sections.includes(section)) continue
    const [, written = '', value = ''] = /^([^=]*)(?:=([\s\S]*))?$/.exec(withoutComment(line)) ?? []
    const name = stripped(written).toLowerCase().replaceAll('_', '-')
    if (unsafeOption.test(name)) unsafe.add(name)
    else values.set(name, unescaped(unquoted(stripped(value))))
  }
  const port = values.get('port') ?? '0'
  if (!isPort(port)) unsafe.add(`port ${port}`)
  const texts = known.flatMap((name) => {
    const value = values.get(name)
    return value === undefined || name === 'port' ? [] : [[name, value] as const]
  })
  return {
    ...Object.fromEntries(texts),
    ...(isPort(port) && Number(port) > 0 ? { port: Number(port) } : {}),
    unsafe: [...unsafe],
  }
}

const maximumPort = 65_535
/** 0 is the usual port, as with the clients. */
const isPort = (port: string): boolean => /^\d{1,5}$/.test(port) && Number(port) <= maximumPort

/** The spaces of the C library, and no others: they may belong to a password. */
const stripped = (text: string): string => text.replace(/^[ \t\n\v\f\r]+|[ \t\n\v\f\r]+$/g, '')

/** A `#` outside quotes begins a comment, wherever it stands. */
const withoutComment = (line: string): string => {
  let quote = ''
  let isEscaped = false
  for (let i = 0; i < line.length; i += 1) {
    const letter = line[i] ?? ''
    if ((letter === '"' || letter === "'") && !isEscaped) quote = quote === '' ? letter : quote === letter ? '' : quote
    if (letter === '#' && quote === '') return line.slice(0, i)
    isEscaped = quote !== '' && letter === '\\' && !isEscaped
  }
  return line
}

const unquoted = (value: string): string => /^(['"])([\s\S]*)\1$/.exec(value)?.[2] ?? value

const escapes: Readonly<Record<string, string>> = {
  b: '\b',
  t: '\t',
  n: '\n',
  r: '\r',
  s: ' ',
  '"': '"',
  "'": "'",
  '\\': '\\',
}

const unescaped = (value: string): string =>
  value.replace(/\\([\s\S])/g, (both, letter: string) => escapes[letter] ?? both)
