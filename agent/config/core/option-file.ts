// The part of a my.cnf that a login needs: user, password, where the server is, and how the login is encrypted.

/** What the sections for clients say. `unsafe` names settings that we do not obey and that may matter. */
export type ClientOptions = {
  readonly user?: string
  readonly password?: string
  readonly socket?: string
  readonly host?: string
  readonly port?: number
  readonly protocol?: 'socket' | 'tcp'
  /** Absent where nothing is said of encryption, null where it is switched off. */
  readonly tls?: TlsOptions | null
  readonly unsafe: readonly string[]
}

/** Encryption as the option file wants it: paths of PEM files, and what is compared of the server's certificate. */
export type TlsOptions = {
  readonly ca?: string
  readonly certificate?: string
  readonly key?: string
  readonly verify: 'identity' | 'ca' | 'none'
}

/** Sections that every client reads, and our own. Their case does not matter. */
const sections = ['client', 'client-server', 'client-mariadb', 'mysqlchk-agent']
const texts = ['user', 'password', 'socket', 'host'] as const
/** What the clients take for one of these: its first letters too. */
const abbreviable = [...texts, 'port']
const leastLetters = 3
const tlsFiles = { 'ssl-ca': 'ca', 'ssl-cert': 'certificate', 'ssl-key': 'key' } as const
const tlsWords = ['ssl', 'ssl-mode', 'ssl-verify-server-cert', ...Object.keys(tlsFiles)]
/** Encryption or a way to the server that somebody asked for must not get lost without a word. */
const unsafeOption = /^(ssl|tls|require-secure|server-public-key)/

/** Reads an option file as the MySQL clients do: later lines win, `-` and `_` are the same, quotes are taken off. */
export const parseOptionFile = (text: string): ClientOptions => {
  let section: string | null = null
  const values = new Map<string, string>()
  // What the clients refuse as a whole is no file to take a half of.
  const unsafe = new Set<string>(text.startsWith('\uFEFF') ? ['a byte order mark'] : [])
  for (const line of text.split(/\r?\n/).map(stripped)) {
    if (line === '' || line.startsWith('#') || line.startsWith(';')) continue
    if (line.startsWith('!')) {
      unsafe.add(line.split(/\s/)[0] ?? '!')
      continue
    }
    const header = /^\[([^\]]*)\]/.exec(line)
    if (header !== null) {
      section = (header[1] ?? '').replace(/[ \t\n\v\f\r]+$/, '').toLowerCase()
      continue
    }
    if (line.startsWith('[')) unsafe.add('a section without its bracket')
    if (section === null) unsafe.add('an option before any section')
    if (section === null || !sections.includes(section)) continue
    const [, written = '', value] = /^([^=]*)(?:=([\s\S]*))?$/.exec(withoutComment(line)) ?? []
    const said = value === undefined ? null : unescaped(unquoted(stripped(value)))
    const [name, meant] = meaning(stripped(written).toLowerCase().replaceAll('_', '-'), said)
    if (unsafeOption.test(name) && !tlsWords.includes(name)) unsafe.add(name)
    else values.set(name, meant)
  }
  return { ...login(values, unsafe), ...encryption(values, unsafe), unsafe: [...unsafe] }
}

/** The option that a line means, and its value: without what the clients put before a name, and in full. */
const meaning = (written: string, value: string | null): readonly [string, string] => {
  const [, before = '', rest = ''] = /^((?:loose-|skip-|disable-|enable-)*)(.*)$/.exec(written) ?? []
  const isOff = /skip-|disable-/.test(before)
  const name = abbreviable.find((one) => rest.length >= leastLetters && one.startsWith(rest)) ?? rest
  const [no, yes] = tlsWords.includes(name) ? ['0', '1'] : ['', '']
  return [name, isOff ? no : (value ?? yes)]
}

const login = (values: ReadonlyMap<string, string>, unsafe: Set<string>): Partial<ClientOptions> => {
  const port = values.get('port') ?? '0'
  if (!isPort(port)) unsafe.add(`port ${port}`)
  const protocol = (values.get('protocol') ?? '').toLowerCase()
  if (!['', 'socket', 'tcp'].includes(protocol)) unsafe.add(`protocol ${protocol}`)
  const said = texts.flatMap((name) => {
    const value = values.get(name)
    return value === undefined ? [] : [[name, value] as const]
  })
  return {
    ...Object.fromEntries(said),
    ...(isPort(port) && Number(port) > 0 ? { port: Number(port) } : {}),
    ...(protocol === 'socket' || protocol === 'tcp' ? { protocol } : {}),
  }
}

/** What MySQL's clients call the ways to encrypt, and what we compare then. MariaDB's know `ssl` and the certificate. */
const modes: Readonly<Record<string, TlsOptions['verify'] | 'off'>> = {
  disabled: 'off',
  // Encrypted where the server can: nothing that somebody could rely on.
  preferred: 'off',
  required: 'none',
  verify_ca: 'ca',
  verify_identity: 'identity',
}

const encryption = (values: ReadonlyMap<string, string>, unsafe: Set<string>): Pick<ClientOptions, 'tls'> => {
  if (!tlsWords.some((name) => values.has(name))) return {}
  const files = Object.entries(tlsFiles).flatMap(([name, key]) => {
    const path = values.get(name) ?? ''
    return path === '' ? [] : [[key, path] as const]
  })
  const written = values.get('ssl-mode')
  const mode = written === undefined ? null : modes[written.toLowerCase()]
  if (mode === undefined) unsafe.add(`ssl-mode ${written}`)
  if (mode === 'off' || (mode === null && isOff(values.get('ssl')))) return { tls: null }
  const comparesName = values.has('ssl-verify-server-cert') && !isOff(values.get('ssl-verify-server-cert'))
  const usual = comparesName ? 'identity' : values.has('ssl-ca') ? 'ca' : 'none'
  const isWanted = mode !== null || files.length > 0 || values.has('ssl') || comparesName
  return { tls: isWanted ? { ...Object.fromEntries(files), verify: mode ?? usual } : null }
}

const isOff = (value: string | undefined): boolean => /^(0|off|false)$/i.test(value ?? '')

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
