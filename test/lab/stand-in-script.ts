// What stands for the classic script where a test needs xinetd on the port, and not what the script says of MariaDB.

/** Where it has to be. */
export const standInFile = '/usr/local/bin/mysqlchk'

/** It reads the request, so that its answer is not lost with a reset. */
export const standInScript = `#!/bin/sh
while read -r line && [ \${#line} -gt 1 ]; do :; done
printf 'HTTP/1.1 200 OK\\r\\n\\r\\n'
`

/** Its file for /etc/xinetd.d. */
export const standInService = (isDisabled: boolean): string => `service mysqlchk
{
  type = UNLISTED
  disable = ${isDisabled ? 'yes' : 'no'}
  socket_type = stream
  protocol = tcp
  port = 9222
  wait = no
  user = root
  server = ${standInFile}
}
`
