// Rules over several keys of agent.yaml. They look at what is written, so that they hold even beside other mistakes.

import type { Finding, Written } from './document.ts'

const defaultPort = 9222

/** What does not go together in the file. */
export const contradictions = (written: Written): readonly Finding[] => {
  const has = (key: string) => written('mysql', key) !== undefined
  const error = (key: string, text: string): Finding => ({ severity: 'error', path: ['mysql', key], text })
  const passwords = ['password_file', 'password_credential', 'password'].filter(has)
  const both = passwords.map((key) => `mysql.${key}`).join(' and ')
  return [
    ...(has('socket') && has('host')
      ? [error('host', 'mysql.socket and mysql.host are two ways to the same server; keep one of them')]
      : []),
    ...(has('port') && !has('host')
      ? [error('port', 'a port needs mysql.host; write host: 127.0.0.1, or take the port out to use the socket')]
      : []),
    ...(has('extra_port') && has('admin_port')
      ? [error('admin_port', 'extra_port (MariaDB) and admin_port (MySQL) mean the same here; keep one of them')]
      : []),
    ...passwords.slice(1).map((key) => error(key, `${both} are set; keep ${passwords[0]}`)),
    ...samePort(written),
  ]
}

const samePort = (written: Written): readonly Finding[] => {
  const port = written('agent_check', 'port')
  if (port === undefined || port !== (written('listen', 'port') ?? defaultPort)) return []
  const text = `${String(port)} is the port of HTTP (listen.port); agent-check needs one of its own, such as 9223`
  return [{ severity: 'error', path: ['agent_check', 'port'], text }]
}
