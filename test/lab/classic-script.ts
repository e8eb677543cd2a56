// The check that users have today: the classic bash script, run by a real xinetd for every request.

import { chmodSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Host } from './host.ts'
import type { LabProcess } from './lab-process.ts'
import { appUser } from './mariadb-files.ts'

/** Where the script is, and the file that takes its server out. */
export type ClassicScript = {
  readonly process: LabProcess
  readonly forceFailFile: string
  /** Writes `disable = yes` or `no` into xinetd's file and has xinetd read it again. */
  readonly disable: (isDisabled: boolean) => void
}

export type ClassicScriptOptions = {
  readonly host: Pick<Host, 'spawn'>
  /** A directory for the script and its files. */
  readonly directory: string
  readonly port: number
  /** The socket of the server to check. */
  readonly socket: string
}

const executable = 0o755

/** What it answers, byte for byte: `echo -e` adds a line feed to each line that ends already. */
const script = (socket: string, options: string, forceFailFile: string): string => `#!/bin/bash
bad() {
  /bin/echo -e "HTTP/1.1 503 Service Unavailable\\r\\n"
  /bin/echo -e "Content-Type: Content-Type: text/plain\\r\\n"
  /bin/echo -e "\\r\\n"
  /bin/echo -e "MySQL is *down*.\\r\\n"
  /bin/echo -e "\\r\\n"
  exit 1
}
[ -f ${forceFailFile} ] && bad
/usr/bin/mysql --defaults-extra-file=${options} --socket=${socket} -e "show databases;" >/dev/null 2>&1 || bad
/bin/echo -e "HTTP/1.1 200 OK\\r\\n"
/bin/echo -e "Content-Type: Content-Type: text/plain\\r\\n"
/bin/echo -e "\\r\\n"
/bin/echo -e "MySQL is running.\\r\\n"
/bin/echo -e "\\r\\n"
`

/** Starts xinetd with the script on a host. */
export const startClassicScript = (options: ClassicScriptOptions): ClassicScript => {
  const { host, directory, port, socket } = options
  const file = join(directory, 'mysqlchk')
  const forceFailFile = join(directory, 'proxyoff')
  const optionFile = join(directory, 'mysqlchk.cnf')
  writeFileSync(optionFile, `[client]\nuser=${appUser.user}\npassword=${appUser.password}\n`, { mode: 0o600 })
  writeFileSync(file, script(socket, optionFile, forceFailFile))
  chmodSync(file, executable)
  const config = join(directory, 'xinetd.conf')
  const configure = (isDisabled: boolean): void =>
    writeFileSync(
      config,
      `service mysqlchk
{
  type = UNLISTED
  disable = ${isDisabled ? 'yes' : 'no'}
  flags = REUSE
  socket_type = stream
  protocol = tcp
  port = ${port}
  wait = no
  user = root
  server = ${file}
  only_from = 0.0.0.0/0
  cps = 1000 1
  per_source = UNLIMITED
}
`,
    )
  configure(false)
  // As Debian's unit starts it.
  const xinetd = host.spawn('xinetd', 'xinetd', ['-dontfork', '-stayalive', '-f', config])
  const disable = (isDisabled: boolean): void => {
    configure(isDisabled)
    xinetd.signal('SIGHUP')
  }
  return { process: xinetd, forceFailFile, disable }
}
