// keepalived with HAProxy, as operators run them: HAProxy is bound to the address all the time, a script watches over it.

import { chmodSync, copyFileSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ask } from '../../e2e/sides.ts'
import { mustRun } from '../../lab/command.ts'
import { waitFor } from '../../lab/wait-for.ts'
import { directoryOf, type Field, servicePort, virtualAddress } from './field.ts'
import { type RouterOptions, type Side, wordsOf } from './side.ts'

/** The side with Debian's keepalived and HAProxy. */
export const keepalivedSide = (field: Field): Side => ({
  name: 'keepalived',
  title: 'keepalived + HAProxy',
  refuses: async () => null,
  start: async (options) => {
    const { host } = options
    const files = filesIn(directoryOf(field.lab, host, 'keepalived'))
    // A file of a killed program names a process that may be somebody else by now.
    for (const file of [files.parentPid, files.vrrpPid, files.haproxyPid]) rmSync(file, { force: true })
    const installed = (await mustRun('sh', ['-c', 'command -v haproxy'])).trim()
    const install = (): void => {
      copyFileSync(installed, `${files.program}.new`)
      renameSync(`${files.program}.new`, files.program)
    }
    install()
    let { weight = 1 } = options
    writeFileSync(files.haproxy, haproxyConfig(field, files, weight))
    writeFileSync(files.check, `#!/bin/sh\nkill -0 "$(cat ${files.haproxyPid})"\n`)
    chmodSync(files.check, executable)
    writeFileSync(files.keepalived, keepalivedConfig(options, files.check))
    await host.run('sysctl', ['-q', '-w', 'net.ipv4.ip_nonlocal_bind=1'])
    const haproxy = host.spawn('haproxy', files.program, ['-W', '-f', files.haproxy, '-p', files.haproxyPid])
    await haproxy.waitForOutput(/Loading success/)
    // A new program is taken as another configuration is: the master begins anew, and then its worker.
    const begin = async (): Promise<void> => {
      const loaded = (): number => haproxy.lines().filter((line) => line.includes('Loading success')).length
      const before = loaded()
      haproxy.signal('SIGUSR2')
      await waitFor('the new worker of HAProxy', () => loaded() > before)
    }
    const keepalived = host.spawn('keepalived', 'keepalived', [
      ...['--dont-fork', '--log-console', '--log-detail', '--use-file', files.keepalived],
      ...['--pid', files.parentPid, '--vrrp_pid', files.vrrpPid],
    ])
    return {
      host,
      // It counts nothing that could be asked for: that a master is heard shows in that it stays backup.
      isBackup: async () => {
        const entered = keepalived.lines().flatMap((line) => /Entering (\w+) STATE/.exec(line)?.[1] ?? [])
        return entered.at(-1) === 'BACKUP'
      },
      stop: () => keepalived.signal('SIGTERM'),
      killVrrp: () => {
        process.kill(Number(readFileSync(files.vrrpPid, 'utf8')), 'SIGKILL')
      },
      knowsServers: async () => {
        const rows = (await ask(files.socket, 'show stat')).split('\n').map((line) => line.split(','))
        const servers = rows.filter(([proxy, server]) => proxy === 'mysql' && !/^(FRONT|BACK)END$/.test(server ?? ''))
        return servers.length > 0 && servers.every((row) => row[17]?.startsWith('UP'))
      },
      reload: async () => {
        weight += 1
        writeFileSync(files.haproxy, haproxyConfig(field, files, weight))
        await begin()
      },
      upgrade: async () => {
        install()
        await begin()
      },
      order: async ({ name }, state) => {
        await ask(files.socket, `set server mysql/${name} state ${state}`)
      },
      lastWords: () => `${wordsOf(keepalived)}\n${wordsOf(haproxy)}`,
    }
  },
})

const executable = 0o755

type FileName = 'haproxy' | 'program' | 'socket' | 'keepalived' | 'check' | 'parentPid' | 'vrrpPid' | 'haproxyPid'
type Files = Readonly<Record<FileName, string>>

const filesIn = (directory: string): Files => ({
  haproxy: join(directory, 'haproxy.cfg'),
  program: join(directory, 'haproxy'),
  socket: join(directory, 'haproxy.sock'),
  keepalived: join(directory, 'keepalived.conf'),
  check: join(directory, 'check-haproxy'),
  parentPid: join(directory, 'keepalived.pid'),
  vrrpPid: join(directory, 'vrrp.pid'),
  haproxyPid: join(directory, 'haproxy.pid'),
})

const haproxyConfig = ({ databases }: Field, { socket }: Files, weight: number): string => `
global
  maxconn 4000
  stats socket ${socket} mode 600 level admin expose-fd listeners
defaults
  mode tcp
  option redispatch
  retries 3
  timeout connect 5s
  timeout client 1m
  timeout server 1m
listen mysql
  bind ${virtualAddress}:${servicePort}
  balance roundrobin
  option mysql-check
  default-server check inter 500ms rise 2 fall 3 on-marked-down shutdown-sessions
${databases.map(({ name, address }, i) => `  server ${name} ${address}:3306 weight ${i === 0 ? weight : 1}`).join('\n')}
`

const keepalivedConfig = ({ host, priority, interval, preempt, script }: RouterOptions, check: string): string => `
global_defs {
  router_id ${host.name}
  vrrp_version 3
  enable_script_security
  script_user root
}
vrrp_script chk_haproxy {
  script "${check}"
  interval 1
}
${script === null ? '' : scriptBlock(script)}
vrrp_instance VI_1 {
  state BACKUP
  interface eth0
  virtual_router_id 51
  priority ${priority}
  advert_int ${interval / 1000}
  ${preempt ? '' : 'nopreempt'}
  virtual_ipaddress {
    ${virtualAddress}/24
  }
  track_script {
    chk_haproxy
    ${script === null ? '' : 'chk'}
  }
}
`

const scriptBlock = ({ command, interval, weight }: NonNullable<RouterOptions['script']>): string => `
vrrp_script chk {
  script "${command}"
  interval ${interval / 1000}
  weight ${weight}
  rise 1
  fall 1
}
`
