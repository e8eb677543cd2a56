// `balancer setup`: asks for what differs from host to host, writes a checked balancer.yaml, and says what comes next.

import { randomInt } from 'node:crypto'
import { existsSync, rmSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { hashPassword } from '../../config/password-file.ts'
import { readPassword } from '../../config/password-input.ts'
import { defaultConfigFile } from '../../config/places.ts'
import { textOf } from '../../core/error-text.ts'
import { FailedStart } from '../../core/failed-start.ts'
import { familyOf } from '../../core/ip-address.ts'
import { millis } from '../../core/time.ts'
import { type HostNetwork, readHostNetwork } from '../../os/host-network.ts'
import { listenForRouters } from '../../vrrp/neighbours.ts'
import { questionsFor } from './answers.ts'
import { type Asker, type Flags, flagProblems, openAsker } from './ask.ts'
import { likelyInterface, likelyName, likelyPort, ownAddresses, prefixFor } from './surroundings.ts'
import { configurationText, nextSteps, type Settled } from './text.ts'
import { whyNotReplace, writeChecked, writeSecret } from './write.ts'

const exitUsage = 64
const exitConfig = 78

const help = `balancer setup - writes ${defaultConfigFile} for this host

On a terminal it asks for what no flag tells. With --yes, or without a terminal, it takes what it finds on the host.

  --address IP[/LENGTH][:PORT]       the virtual address that clients connect to; always needed
  --servers NAME=IP[:PORT],...       the database servers; always needed; an IPv6 address with a port: NAME=[IP]:PORT
  --peer IP|none                     own address of the other balancer host (unicast); none: multicast
  --interface NAME                   default: the one with the default route
  --listen-port PORT                 default: 3306, or 3366 where a server of this host has that
  --router-id NAME                   default: the name of this host
  --virtual-router-id N              default: 51, or the next that nobody uses on this network
  --priority N                       default: 101; the other host has 100
  --status-password-file FILE        a status page on port 8888, user admin; balancer hash-password makes the file
  --new-vrrp-password-file FILE      make a random VRRP password
  --vrrp-password-file FILE          the one that the other host has made
  --output FILE                      default: ${defaultConfigFile}
  --force                            replace a file that is there; it is kept beside as FILE.bak
  --yes                              ask nothing
`

const options = {
  interface: { type: 'string' },
  address: { type: 'string' },
  'listen-port': { type: 'string' },
  servers: { type: 'string' },
  peer: { type: 'string' },
  'router-id': { type: 'string' },
  'virtual-router-id': { type: 'string' },
  priority: { type: 'string' },
  'vrrp-password-file': { type: 'string' },
  'new-vrrp-password-file': { type: 'string' },
  'status-password-file': { type: 'string' },
  output: { type: 'string' },
  force: { type: 'boolean', default: false },
  yes: { type: 'boolean', default: false },
  help: { type: 'boolean', short: 'h', default: false },
} as const

const parse = (words: readonly string[]) => parseArgs({ args: [...words], options })

/** Longer than the usual interval of advertisements. */
const listening = millis(1300)
const usualId = 51
const lastId = 255
const usualPriority = 101
const passwordCharacters = 'abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789'
/** VRRP carries no more. */
const passwordLength = 8

/** Runs it with the words after `setup`. 0; 1 where nothing could be written, 64 for wrong flags, 78 for what cannot work. */
export const setup = async (words: readonly string[]): Promise<number> => {
  let values: ReturnType<typeof parse>['values']
  try {
    values = parse(words).values
  } catch (error) {
    const text = error instanceof Error ? (error.message.split('. ')[0] ?? '') : String(error)
    return complain([`${text}; balancer setup --help lists what there is`], exitUsage)
  }
  if (values.help) {
    process.stdout.write(help)
    return 0
  }
  const { force, yes, help: _, output: named, ...flags } = values
  const file = resolve(named ?? defaultConfigFile)
  const network = readHostNetwork()
  if (network === null) return complain(['the interfaces of this host cannot be read from /proc'], 1)
  const questions = questionsFor([...network.interfaces].filter((one) => one !== 'lo'))
  const wrong = flagProblems(Object.values(questions), flags)
  if (wrong.length > 0) return complain(wrong, exitUsage)
  const isInteractive = !yes && process.stdin.isTTY === true
  const missing = isInteractive ? [] : (['address', 'servers'] as const).filter((flag) => flags[flag] === undefined)
  if (missing.length > 0) {
    const needed = missing.map((flag) => `--${flag}`).join(' and ')
    return complain(
      [`${needed} ${missing.length > 1 ? 'are' : 'is'} missing, and there is nobody to ask; nothing was written`],
      exitUsage,
    )
  }
  const refusal = force ? null : whyNotReplace(file)
  if (refusal !== null) return complain([refusal], 1)
  const asker = openAsker(flags, isInteractive)
  const made: string[] = []
  try {
    const answers = await settle(asker, { network, questions })
    const secrets = await makeSecrets(asker, { address: answers.address.address, flags, file, isInteractive, made })
    const settled: Settled = { ...answers, ...secrets }
    const written = writeChecked(file, configurationText(settled, ['# Written by balancer setup.']))
    if (!written.ok) {
      for (const one of made) rmSync(one, { force: true })
      return complain([...written.problems, 'nothing was written'], exitConfig)
    }
    for (const warning of written.warnings) process.stderr.write(`warning: ${warning}\n`)
    process.stdout.write(nextSteps(settled, file, file === defaultConfigFile ? null : file, written.kept))
    return 0
  } catch (error) {
    for (const one of made) rmSync(one, { force: true })
    if (error instanceof FailedStart) return complain([error.message], exitUsage)
    return complain([`nothing was written: ${textOf(error)}`], 1)
  } finally {
    asker.close()
  }
}

const complain = (lines: readonly string[], code: number): number => {
  for (const line of lines) process.stderr.write(`balancer: ${line}\n`)
  return code
}

type Known = {
  readonly network: HostNetwork
  readonly questions: ReturnType<typeof questionsFor>
}
type Public = Omit<Settled, 'vrrpPasswordFile' | 'statusPasswordFile'>

const settle = async ({ answer }: Asker, { network, questions }: Known): Promise<Public> => {
  const device = await answer(questions.interface, likelyInterface(network))
  const { address, prefixLength, port: givenPort } = await answer(questions.address, undefined)
  const [own, ...more] = ownAddresses(network, device, address)
  if (own === undefined) {
    throw new FailedStart(
      `${device} has no ${familyName(address)} address of its own; give it one, or name another with --interface`,
    )
  }
  const port = givenPort ?? (await answer(questions.port, String(likelyPort(address))))
  const servers = await answer(questions.servers, undefined)
  const peer = await answer(questions.peer, 'none')
  if (peer !== null && [own, ...more].some((one) => one.address === peer)) {
    throw new FailedStart(`--peer "${peer}": is this host; write the own address of the other one`)
  }
  if (peer !== null && familyOf(peer) !== familyOf(address)) {
    throw new FailedStart(`--peer "${peer}": write its ${familyName(address)} address, as the virtual address is one`)
  }
  if (peer === address)
    throw new FailedStart(`--peer "${peer}": is the virtual address; write the own address of the other host`)
  const routerId = await answer(questions.routerId, likelyName())
  const heard = (await listenForRouters(device, own.address, listening)) ?? new Map<number, string>()
  const virtualRouterId = await answer(questions.virtualRouterId, String(freeId(heard)))
  const user = heard.get(virtualRouterId)
  if (user !== undefined && user !== peer) {
    process.stderr.write(
      `warning: ${user} uses virtual router id ${virtualRouterId} on ${device}; unless it is the other host of this pair, take another: --virtual-router-id ${freeId(heard)}\n`,
    )
  }
  const priority = await answer(questions.priority, String(usualPriority))
  return {
    ...{ interface: device, port, servers, peer, routerId, virtualRouterId, priority, own: own.address },
    address: { address, port, prefixLength: prefixLength ?? prefixFor(network, device, address) },
  }
}

const familyName = (address: string): string => (familyOf(address) === 'ipv4' ? 'IPv4' : 'IPv6')

const freeId = (heard: ReadonlyMap<number, string>): number => {
  for (let id = usualId; id <= lastId; id += 1) if (!heard.has(id)) return id
  return usualId
}

type Secrets = Pick<Settled, 'vrrpPasswordFile' | 'statusPasswordFile'>
type SecretsOptions = {
  /** The virtual one. */
  readonly address: string
  readonly flags: Flags
  readonly file: string
  readonly isInteractive: boolean
  /** Files that were made, for those who have to take it all back. */
  readonly made: string[]
}

const makeSecrets = async (
  asker: Asker,
  { address, flags, file, isInteractive, made }: SecretsOptions,
): Promise<Secrets> => {
  const make = (secret: string, line: string): string => {
    if (existsSync(secret)) throw new FailedStart(`${secret} is there already; name another file, or remove it`)
    writeSecret(secret, line)
    made.push(secret)
    return secret
  }
  const { 'vrrp-password-file': shared, 'new-vrrp-password-file': fresh, 'status-password-file': status } = flags
  if (shared !== undefined && fresh !== undefined) {
    throw new FailedStart(
      '--vrrp-password-file and --new-vrrp-password-file exclude each other: one host makes it, the other has it',
    )
  }
  if ((shared ?? fresh) !== undefined && familyOf(address) === 'ipv6') {
    throw new FailedStart('VRRP has no passwords for IPv6 addresses; leave the password file away')
  }
  if (shared !== undefined && !existsSync(shared)) {
    throw new FailedStart(`--vrrp-password-file "${shared}": it is not there; copy it from the other host (scp -p)`)
  }
  if (status !== undefined && !existsSync(status)) {
    throw new FailedStart(
      `--status-password-file "${status}": it is not there; make it with: balancer hash-password > ${status}`,
    )
  }
  const vrrpPasswordFile = fresh === undefined ? (shared ?? null) : make(fresh, randomPassword())
  const wantsPage =
    status === undefined &&
    isInteractive &&
    (await asker.confirm('A status page on port 8888, with a password (yes or no)'))
  asker.close()
  if (!wantsPage) return { vrrpPasswordFile, statusPasswordFile: status ?? null }
  const password = await readPassword()
  if (password === '') throw new FailedStart('no password given; nothing was written')
  return {
    vrrpPasswordFile,
    statusPasswordFile: make(join(dirname(file), 'status.password'), await hashPassword(password)),
  }
}

const randomPassword = (): string =>
  Array.from({ length: passwordLength }, () => passwordCharacters.charAt(randomInt(passwordCharacters.length))).join('')
