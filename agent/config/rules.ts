// Rules over several keys of agent.yaml. They look at what is written, so that they hold even beside other mistakes.

import type { Finding, Written } from './document.ts'

/** What does not go together in the file. */
export const contradictions = (written: Written): readonly Finding[] => {
  const has = (key: string) => written('mysql', key) !== undefined
  const error = (key: string, text: string): Finding => ({ severity: 'error', path: ['mysql', key], text })
  return [
    ...(has('socket') && has('host')
      ? [error('host', 'mysql.socket and mysql.host are two ways to the same server; keep one of them')]
      : []),
    ...(has('port') && !has('host')
      ? [error('port', 'a port needs mysql.host; write host: 127.0.0.1, or take the port out to use the socket')]
      : []),
    ...(has('password') && has('password_file')
      ? [error('password', 'mysql.password and mysql.password_file are both set; keep password_file')]
      : []),
  ]
}
