// Who logs in and where: what agent.yaml says under mysql, with what it points to read in.

import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { ClientAddress } from '../probe/core/door.ts'
import { type ClientOptions, parseOptionFile } from './core/option-file.ts'
import type { Finding, Written } from './document.ts'
import { isWorldReadable, readPasswordFile, unreadable } from './password-file.ts'
import { setUpCommand, unitCredential, unitPasswordFile } from './places.ts'
import { clientAddressPattern, credentialName, type MysqlSettings } from './schema.ts'
import { readServerTls, type ServerTls } from './server-tls.ts'

/** Where the server listens. */
export type MysqlTarget =
  | { readonly kind: 'socket'; readonly path: string }
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number }

/** How to reach the server. The password is a function so that no log or dump of the configuration shows it. */
export type MysqlConfig = {
  readonly target: MysqlTarget
  /** MariaDB's extra_port or MySQL's admin_port, for when all connections of the usual port are taken. */
  readonly extra: MysqlTarget | null
  /** Whether the extra one is used in place of the usual one: MySQL's admin_port, whose users get the reserved connection. */
  readonly extraAlone?: boolean
  /** `none` unless given. */
  readonly client?: ClientAddress
  readonly user: string
  readonly password: () => string
  /** What has to be done before there is a login at all, for the operator. */
  readonly lacking?: string
  /** The file that the password comes from, perhaps as a credential; absent where it stands elsewhere. */
  readonly passwordFile?: string
  /** Null: the login is not encrypted. */
  readonly tls: ServerTls | null
}

/**
 * What to do with passwords and keys: read them (`run`, `once`), look at them as far as this user may (`check`), leave
 * alone a password that has a file of its own (`setup-user`, which makes it), or leave them all alone (`fail`, `pass`).
 */
export type Secrets = 'read' | 'look' | 'make' | 'skip'

/** The file that is read. */
export type ConfigFile = { readonly path: string; readonly mode: number }

/** What the files and credentials hold that the mysql section names, and what is wrong with them. */
export type LoginSources = {
  readonly password: string | null
  readonly lacking?: string
  readonly passwordFile?: string
  readonly options: ClientOptions
  readonly tls: ServerTls | null
  readonly findings: readonly Finding[]
}

/** Where nothing was read. */
export const noLoginSources: LoginSources = { password: null, options: { unsafe: [] }, tls: null, findings: [] }
const credentialsVariable = 'CREDENTIALS_DIRECTORY'
const maximumOptionFileBytes = 65_536

/** Reads what is written: the option file, and the password from where it is written to stand. */
export const readLoginSources = (written: Written, config: ConfigFile, secrets: Secrets): LoginSources => {
  if (secrets === 'skip') return noLoginSources
  const optionFile = written('mysql', 'option_file')
  const options = isPath(optionFile) ? fromOptionFile(optionFile) : noLoginSources
  const own = ownPassword(written, config, secrets)
  const { tls, findings } = readServerTls(written, options.options.tls ?? null)
  return {
    ...own,
    password: own.password ?? options.password,
    options: options.options,
    tls,
    findings: [...own.findings, ...options.findings, ...findings],
  }
}

const ownPassword = (written: Written, config: ConfigFile, secrets: Secrets): LoginSources => {
  const passwordFile = written('mysql', 'password_file')
  if (isPath(passwordFile)) {
    return secrets === 'make'
      ? { ...noLoginSources, passwordFile }
      : { ...fromPasswordFile(passwordFile, 'password_file'), passwordFile }
  }
  const credential = written('mysql', 'password_credential')
  if (typeof credential === 'string' && credentialName.test(credential))
    return fromCredential(credential, config.path, secrets)
  const password = written('mysql', 'password')
  if (typeof password !== 'string') return noLoginSources
  const text = `everybody on this host can read the password here; run: chmod o= ${config.path}`
  return { ...noLoginSources, password, findings: isWorldReadable(config.mode) ? [warning('password', text)] : [] }
}

const fromPasswordFile = (path: string, key: string): LoginSources => {
  const read = readPasswordFile(path)
  if (!read.ok) {
    const inUnit = process.env[credentialsVariable] === undefined ? '' : unitWay
    return { ...noLoginSources, findings: [error(key, `${read.text}${read.why === 'wrong' ? inUnit : ''}`)] }
  }
  const text = `everybody on this host can read ${path}; run: chmod o= ${path}`
  return { ...noLoginSources, password: read.password, findings: read.worldReadable ? [warning(key, text)] : [] }
}

/** The user of the shipped units reads no file that root alone may read. */
const unitWay = `; as a service of systemd write password_credential: ${unitCredential} in its place`

const fromCredential = (name: string, config: string, secrets: Secrets): LoginSources => {
  const key = 'password_credential'
  const directory = process.env[credentialsVariable]
  const passwordFile = unitPasswordFile(config)
  const known = name === unitCredential ? { passwordFile } : {}
  if (secrets === 'make') return { ...noLoginSources, ...known }
  if (directory !== undefined) {
    const path = join(directory, name)
    const read = readPasswordFile(path)
    // The unit hands over an empty one where its file is not there yet: a first start, and no mistake in this file.
    return !read.ok && read.why === 'empty'
      ? { ...noLoginSources, ...known, lacking: setUpText(config) }
      : { ...fromPasswordFile(path, key), ...known }
  }
  if (name === unitCredential) {
    // Root, by hand: what the unit would hand over.
    const read = readPasswordFile(passwordFile)
    if (read.ok) return { ...fromPasswordFile(passwordFile, key), passwordFile }
    if (secrets === 'read') {
      const what = read.why === 'wrong' ? '' : `; ${setUpText(config)}`
      return { ...noLoginSources, findings: [error(key, `${read.text}${what}`)] }
    }
  }
  const text = `systemd hands credentials to its service only; the unit needs LoadCredential=${name}:/etc/mysqlchk-agent/password`
  return { ...noLoginSources, findings: [secrets === 'look' ? warning(key, text) : error(key, text)] }
}

const fromOptionFile = (path: string): LoginSources => {
  const key = 'option_file'
  try {
    const stats = statSync(path)
    if (!stats.isFile() || stats.size > maximumOptionFileBytes) {
      return { ...noLoginSources, findings: [error(key, `${path} is no option file; write the path of a my.cnf`)] }
    }
    const options = parseOptionFile(readFileSync(path, 'utf8'))
    const open = `everybody on this host can read ${path}; run: chmod o= ${path}`
    return {
      ...noLoginSources,
      password: options.password ?? null,
      options,
      findings: [
        ...(isWorldReadable(stats.mode) ? [warning(key, open)] : []),
        ...options.unsafe.map((name) =>
          error(key, `${path} has ${name}, which the agent does not obey; use a file without it`),
        ),
      ],
    }
  } catch (caught) {
    return { ...noLoginSources, findings: [error(key, unreadable(path, caught))] }
  }
}

/** The one sentence of an agent that nobody has set up yet. */
const setUpText = (config: string): string => `no check user is set up; run as root: ${setUpCommand(config)}`

const defaultUser = 'mysqlchkusr'
const defaultSocket = '/run/mysqld/mysqld.sock'
const defaultPort = 3306
const loopback = '127.0.0.1'

/** What is written in agent.yaml comes before what an option file says. */
export const loginOf = (settings: MysqlSettings, sources: LoginSources): MysqlConfig => {
  const { password, options, tls, lacking, passwordFile } = sources
  const isWritten = settings.host !== undefined || settings.socket !== undefined
  const place = isWritten ? settings : { ...options, host: hostIn(options) }
  const target: MysqlTarget =
    place.host === undefined
      ? { kind: 'socket', path: place.socket ?? defaultSocket }
      : { kind: 'tcp', host: place.host, port: place.port ?? defaultPort }
  const extraPort = settings.extra_port ?? settings.admin_port
  const secret = password ?? ''
  return {
    target,
    extra:
      extraPort === undefined
        ? null
        : { kind: 'tcp', host: target.kind === 'tcp' ? target.host : loopback, port: extraPort },
    extraAlone: settings.extra_port === undefined && settings.admin_port !== undefined,
    client: clientOf(settings.client_address),
    user: settings.user ?? options.user ?? defaultUser,
    password: () => secret,
    ...(lacking === undefined ? {} : { lacking }),
    ...(passwordFile === undefined ? {} : { passwordFile }),
    tls: tls === null ? null : { ...tls, serverName: tls.serverName ?? nameAt(target) },
  }
}

/**
 * The name that the certificate is to have, the same at every port and address of that server. Behind a Unix socket of this
 * host nobody passes himself off as another: there a name is compared only where one is given.
 */
const nameAt = (target: MysqlTarget): string | null => (target.kind === 'tcp' ? target.host : null)

/** The clients take localhost for the socket, and any other host before a socket, unless told which way to go. */
const hostIn = ({ host, protocol }: ClientOptions): string | undefined => {
  if (protocol === 'tcp') return host === undefined || host === 'localhost' ? loopback : host
  return protocol === 'socket' || host === 'localhost' ? undefined : host
}

const clientOf = (written: MysqlSettings['client_address']): ClientAddress => {
  if (written === undefined) return { kind: 'own' }
  if (written === 'none') return { kind: 'none' }
  const [, six, four, port] = clientAddressPattern.exec(written) ?? []
  return { kind: 'tcp', host: six ?? four ?? written, port: port === undefined ? null : Number(port) }
}

const isPath = (value: unknown): value is string => typeof value === 'string' && value.startsWith('/')
const finding = (severity: Finding['severity'], key: string, text: string): Finding => ({
  severity,
  path: ['mysql', key],
  text,
})
const error = (key: string, text: string): Finding => finding('error', key, text)
const warning = (key: string, text: string): Finding => finding('warning', key, text)
