// Rules over several keys of balancer.yaml. They read the raw input leniently, so that they speak even when the
// schema found problems elsewhere; what a rule cannot read, the schema has already reported.

import type { z } from 'zod'
import type { HostNetwork } from '../os/host-network.ts'
import { addressFindings } from './address-rules.ts'
import { bindFindings } from './bind-rules.ts'
import { datapathFindings } from './datapath-rules.ts'
import type { Finding } from './document.ts'
import { listOf, mapping, repeatedNames, text } from './lenient.ts'
import { listenerFindings } from './listener-rules.ts'
import { notifyFindings } from './notify-rules.ts'
import { readPasswordFile } from './password-file.ts'
import { peersFindings } from './peers-rules.ts'
import { fileFindings } from './secret-file.ts'
import { socketFindings } from './socket-rules.ts'
import { routeFindings } from './vrrp-route-rules.ts'
import { type ConfigFile, vrrpFindings } from './vrrp-rules.ts'
import { trackFindings } from './vrrp-track-rules.ts'
import { writtenIn } from './written.ts'

const lenient = mapping({
  listeners: listOf(mapping({ name: text, servers: listOf(mapping({ name: text })) })),
  admin: mapping({
    http: mapping({ path: text, users: listOf(mapping({ name: text, password_file: text })) }),
  }),
  log: mapping({ syslog: text, format: text, facility: text }),
})

type Lenient = z.output<typeof lenient>

/** Where a configuration is judged: its file, and the network of this host as far as it can be seen. */
export type Place = { readonly file: ConfigFile; readonly host: HostNetwork | null }

/** What contradicts itself in a configuration or in its files, and what is unwise. */
export const crossFieldFindings = (input: unknown, { file, host }: Place): readonly Finding[] => {
  const config = lenient.parse(input)
  const written = writtenIn(input)
  return [
    ...vrrpFindings(input, file),
    ...trackFindings(input),
    ...notifyFindings(input),
    ...routeFindings(input),
    ...listenerFindings(input),
    ...datapathFindings(input, written),
    ...nameFindings(config),
    ...addressFindings(written, host),
    ...bindFindings(written, host),
    ...peersFindings(input, written, host),
    ...adminFindings(config),
    ...socketFindings(input),
    ...logFindings(config),
  ]
}

const nameFindings = (config: Lenient): readonly Finding[] => {
  const listeners = config?.listeners ?? []
  return [
    ...repeatedNames(listeners, 'listeners'),
    ...listeners.flatMap((listener, i) => repeatedNames(listener?.servers ?? [], 'listeners', i, 'servers')),
    ...repeatedNames(config?.admin?.http?.users ?? [], 'admin', 'http', 'users'),
  ]
}

const adminFindings = (config: Lenient): readonly Finding[] => [
  ...(config?.admin?.http?.users ?? []).flatMap((user, i) =>
    user?.password_file?.startsWith('/')
      ? fileFindings(readPasswordFile(user.password_file), ['admin', 'http', 'users', i, 'password_file'])
      : [],
  ),
  ...(/[?#]/.test(config?.admin?.http?.path ?? '')
    ? [
        {
          path: ['admin', 'http', 'path'],
          text: 'a path without ? and # is needed; what follows them is not looked at',
        },
      ]
    : []),
]

const logFindings = (config: Lenient): readonly Finding[] => {
  const { syslog, format, facility } = config?.log ?? {}
  const warning = (key: string, said: string): Finding => ({ path: ['log', key], text: said, isWarning: true })
  if (syslog === undefined) {
    const said = 'without syslog this means nothing; name its receiver, such as syslog: 127.0.0.1:514'
    return [
      ...(format === undefined ? [] : [warning('format', said)]),
      ...(facility === undefined ? [] : [warning('facility', said)]),
    ]
  }
  const said = `journald reads no RFC 5424 from ${syslog}, and rsyslog only with SysSock.UseSpecialParser="off"; write rfc3164`
  return syslog.startsWith('/') && format === 'rfc5424' ? [warning('format', said)] : []
}
