import t from 'tap'
import { type Row, testRows } from './impossible.ts'

const rows: readonly Row[] = [
  {
    change: [['name: mysql\n', 'name: mysql\n    datapath: kernl\n']],
    found: ['7:15: listeners[0].datapath: found "kernl"; allowed are userspace, kernel, direct; did you mean kernel?'],
  },
  {
    change: [
      [
        'name: mysql\n',
        'name: mysql\n    access: { allow: [10.0.0.1/8, ::/0, nobody], deny: [10.0.0.7, "2001:db8::/32"], connection_rate: -1 }\n',
      ],
    ],
    found: [
      '7:23: listeners[0].access.allow[0]: found "10.0.0.1/8"; 10.0.0.1 is an address in a network of /8; write 10.0.0.0/8',
      '7:35: listeners[0].access.allow[1]: found "::/0"; write an address or a network, such as 10.0.0.7 or 10.0.0.0/24; an empty list is everyone',
      '7:41: listeners[0].access.allow[2]: found "nobody"; write an address or a network, such as 10.0.0.7 or 10.0.0.0/24; an empty list is everyone',
      '7:102: listeners[0].access.connection_rate: found -1; allowed are the whole numbers 0 to 1000000',
    ],
  },
  {
    change: [['name: mysql\n', 'name: mysql\n    datapath: kernel\n    retries: 1\n']],
    found: [
      '8:14: listeners[0].retries: datapath: kernel counts no retries: the kernel of the client asks again by itself; remove this key, or write datapath: userspace',
    ],
  },
  {
    change: [['name: mysql\n', 'name: mysql\n    datapath: direct\n    check: [{ type: tcp }, { type: icmp }]\n']],
    found: [
      'warning 8:12: listeners[0].check: no check here asks the agent, which alone tells whether a server is prepared for direct return: clients of one that is not get no answer; add { type: http, port: 9222 }',
    ],
  },
  {
    change: [['name: mysql\n', 'name: mysql\n    check: { type: mysql, user: u, tls: { ca: /nowhere/ca.pem } }\n']],
    found: ['7:47: listeners[0].check.tls.ca: cannot read /nowhere/ca.pem (ENOENT); write PEM into it'],
  },
  {
    change: [['name: mysql\n', 'name: mysql\n    check: { type: mysql, user: u, tls: { ca: /dev/null } }\n']],
    found: ['7:47: listeners[0].check.tls.ca: /dev/null is no file; write PEM into one'],
  },
  {
    change: [['name: mysql\n', 'name: mysql\n    check: { tls: { ca: /dev/null, key: /dev/null } }\n']],
    found: [
      '7:14: listeners[0].check.tls.certificate: missing; certificate and key of the check belong together; write both, or neither',
      '7:25: listeners[0].check.tls.ca: /dev/null is no file; write PEM into one',
    ],
  },
  {
    change: [['name: mysql\n', 'name: mysql\n    check: { tls: false }\n']],
    found: [],
  },
  {
    change: [['bind: 198.18.0.100:3306', 'bind: 224.0.0.1:3306']],
    found: [
      '7:11: listeners[0].bind: found "224.0.0.1:3306"; 224.0.0.1 is a multicast address; write an address of this host, a virtual one, or 0.0.0.0 or [::] for all',
    ],
  },
  {
    change: [['bind: 198.18.0.100:3306', 'bind: 198.18.0.100:0']],
    found: [
      '7:11: listeners[0].bind: found "198.18.0.100:0"; write an address and a port, such as 10.0.0.1:3306 or "[2001:db8::1]:3306"',
    ],
  },
  {
    change: [['bind: 198.18.0.100:3306', 'bind: 198.18.0.7:3306']],
    found: [
      'warning 4:76: vrrp.instances[0].virtual_addresses: no listener is bound to an address of this instance: clients of it reach nothing of this balancer',
      'warning 7:11: listeners[0].bind: 198.18.0.7 is no virtual address and no address of this host: nobody reaches it until somebody adds it',
    ],
  },
  {
    change: [['bind: 198.18.0.100:3306', 'bind: 198.18.0.7:3306\n    datapath: direct']],
    found: [
      'warning 4:76: vrrp.instances[0].virtual_addresses: no listener is bound to an address of this instance: clients of it reach nothing of this balancer',
      'warning 7:11: listeners[0].bind: 198.18.0.7 is no virtual address: it is reached here only if a router sends it to this host',
    ],
  },
  {
    change: [
      [
        'listeners:\n',
        'listeners:\n  - { name: r, bind: "198.18.0.100:3307", datapath: kernel, servers: [{ name: a, address: "198.18.0.12:3306" }] }\n',
      ],
      ['bind: 198.18.0.100:3306', 'bind: 198.18.0.100:3306\n    datapath: direct'],
    ],
    found: [
      '6:22: listeners[0].bind: listener mysql has 198.18.0.100 with datapath: direct, so that its servers have the address too: they would answer themselves and no client; bind another address, or write the same datapath in both',
    ],
  },
  {
    change: [['bind: 198.18.0.100:3306', 'bind: 255.255.255.255:3306']],
    found: [
      '7:11: listeners[0].bind: found "255.255.255.255:3306"; 255.255.255.255 is the broadcast address; write an address of this host, a virtual one, or 0.0.0.0 or [::] for all',
    ],
  },
  {
    change: [['bind: 198.18.0.100:3306', 'bind: [198.18.0.100:3306, 198.18.0.100:3306]']],
    found: [
      '7:31: listeners[0].bind[1]: found "198.18.0.100:3306"; 198.18.0.100:3306 above has this address and port; choose another port',
    ],
  },
  {
    change: [['bind: 198.18.0.100:3306', 'bind: [0.0.0.0:3306, 198.18.0.100:3306]']],
    found: [
      '7:26: listeners[0].bind[1]: found "198.18.0.100:3306"; 0.0.0.0:3306 above has this address and port; choose another port',
    ],
  },
  {
    change: [['bind: 198.18.0.100:3306', 'bind: [198.18.0.100:3306, 198.18.0.100:03306]']],
    found: [
      '7:31: listeners[0].bind[1]: found "198.18.0.100:3306"; 198.18.0.100:3306 above has this address and port; choose another port',
    ],
  },
  {
    change: [['bind: 198.18.0.100:3306', 'bind: []']],
    found: ['7:11: listeners[0].bind: found "a list"; name at least one'],
  },
  { change: [['198.18.0.11:3306', '198.18.0.1:3306']], found: [] },
  {
    change: [
      [/bind: .*\n/, 'bind: 0.0.0.0:3306\n'],
      ['198.18.0.11:3306', '127.0.0.1:3306'],
    ],
    found: [
      '9:31: listeners[0].servers[0].address: 127.0.0.1:3306 is listener mysql of this balancer: connections would go round in a circle; write the address of the database',
    ],
  },
  {
    change: [
      [/bind: .*\n/, 'bind: 0.0.0.0:3306\n'],
      ['198.18.0.11:3306', '198.18.0.1:3306'],
    ],
    found: [
      '9:31: listeners[0].servers[0].address: 198.18.0.1:3306 is listener mysql of this balancer: connections would go round in a circle; write the address of the database',
    ],
  },
  {
    change: [['198.18.0.11:3306', '198.18.0.100:3306']],
    found: [
      '4:77: vrrp.instances[0].virtual_addresses[0]: 198.18.0.100 is the address of server mysql/db1: its connections would come back to this host; give each its own',
      '9:31: listeners[0].servers[0].address: 198.18.0.100:3306 is listener mysql of this balancer: connections would go round in a circle; write the address of the database',
    ],
  },
  {
    change: [['198.18.0.11:3306', '0.0.0.0:3306']],
    found: [
      '9:31: listeners[0].servers[0].address: found "0.0.0.0:3306"; 0.0.0.0 stands for every address of a host; write the address of the server',
    ],
  },
  {
    change: [['198.18.0.11:3306', '239.1.1.1:3306']],
    found: [
      '9:31: listeners[0].servers[0].address: found "239.1.1.1:3306"; 239.1.1.1 is a multicast address; write the address of the server',
    ],
  },
  {
    change: [['bind: 198.18.0.100:3306', 'bind: "[fe80::1]:3306"']],
    found: [
      '7:11: listeners[0].bind: found "[fe80::1]:3306"; fe80::1 is a link-local address, valid on one link only; write an address of this host, a virtual one, or 0.0.0.0 or [::] for all',
    ],
  },
  {
    change: [['bind: 198.18.0.100:3306', 'bind: [198.18.0.100:3306, 0.0.0.0:3307, "[0:0::]:3307", "[::1]:3307"]']],
    found: [
      '7:45: listeners[0].bind[2]: found "[::]:3307"; 0.0.0.0:3307 above has this address and port; choose another port',
      '7:61: listeners[0].bind[3]: found "[::1]:3307"; [::]:3307 above has this address and port; choose another port',
    ],
  },
  {
    change: [['198.18.0.11:3306', '198.18.0.11:65536']],
    found: [
      '9:31: listeners[0].servers[0].address: found "198.18.0.11:65536"; write an address and a port, such as 10.0.0.1:3306 or "[2001:db8::1]:3306"',
    ],
  },
  {
    change: [
      [
        'listeners:\n',
        'listeners:\n  - { name: a, bind: 198.18.0.1:3307, servers: [{ name: x, address: 198.18.0.1:3308 }] }\n  - { name: b, bind: 198.18.0.1:3308, servers: [{ name: x, address: 198.18.0.1:3307 }] }\n',
      ],
    ],
    found: [
      '6:69: listeners[0].servers[0].address: 198.18.0.1:3308 is listener b of this balancer: connections would go round in a circle; write the address of the database',
      '7:69: listeners[1].servers[0].address: 198.18.0.1:3307 is listener a of this balancer: connections would go round in a circle; write the address of the database',
    ],
  },
  {
    change: [
      [
        'listeners:\n',
        'listeners:\n  - { name: a, bind: 198.18.0.1:3307, servers: [{ name: x, address: 198.18.0.1:3308 }] }\n  - { name: b, bind: 198.18.0.1:3308, servers: [{ name: x, address: 198.18.0.11:3307 }] }\n',
      ],
    ],
    found: [],
  },
  {
    change: [
      ['      - { name: db2, address: 198.18.0.12:3306 }\n', '      - { name: db2, address: 198.18.0.11:3306 }\n'],
    ],
    found: [
      'warning 10:31: listeners[0].servers[1].address: 198.18.0.11:3306 is a server of this listener already: one server counts and is checked as two',
    ],
  },
  {
    change: [
      ['      - { name: db2, address: 198.18.0.12:3306 }\n', '      - { name: db1, address: 198.18.0.12:3306 }\n'],
    ],
    found: ['10:17: listeners[0].servers[1].name: found "db1"; the name is taken above; choose another'],
  },
  {
    change: [[/(db.*3306)/g, '$1, weight: 0']],
    found: [
      '9:7: listeners[0].servers: the weights of all servers are 0, so that none takes a session; give one server at least a weight above it',
    ],
  },
  {
    change: [[/(db.*3306)/g, '$1, backup: true']],
    found: [
      'warning 9:7: listeners[0].servers: all servers are backups: only the first that is up takes sessions; take backup: true from those that shall share',
    ],
  },
  {
    change: [
      [/(db.*3306)/g, '$1, backup: true'],
      ['name: mysql\n', 'name: mysql\n    balance: single\n'],
    ],
    found: [],
  },
  {
    change: [['name: mysql\n', 'name: mysql\n    balance: first\n    slow_start: 5s\n']],
    found: [
      'warning 8:17: listeners[0].slow_start: slow_start is without effect with balance: first, which goes by the order of the servers; remove it',
    ],
  },
  {
    change: [
      ['12:3306 }', '12:3306, weight: 7 }'],
      ['name: mysql\n', 'name: mysql\n    balance: first\n'],
    ],
    found: [
      'warning 11:57: listeners[0].servers[1].weight: a weight is without effect with balance: first, which goes by the order of the servers; remove it',
    ],
  },
  {
    change: [['name: mysql\n', 'name: mysql\n    panic_threshold: 2\n']],
    found: [
      'warning 7:22: listeners[0].panic_threshold: found 2, of 2 server(s): as soon as one fails its checks it is used like the others; write a smaller number',
    ],
  },
  {
    change: [['name: mysql\n', 'name: mysql\n    all_backups: true\n']],
    found: [
      'warning 7:18: listeners[0].all_backups: no server of this listener is a backup, so that this does nothing; remove it, or set backup: true on one',
    ],
  },
  {
    change: [['name: mysql\n', 'name: mysql\n    on_marked_up: shutdown_backup_sessions\n']],
    found: [
      'warning 7:19: listeners[0].on_marked_up: no server of this listener is a backup, so that this does nothing; remove it, or set backup: true on one',
    ],
  },
  {
    change: [['name: mysql\n', 'name: mysql\n    on_marked_down: keep\n    shutdown_grace: 5s\n']],
    found: [
      'warning 8:21: listeners[0].shutdown_grace: on_marked_down: keep ends no session, so that nothing has a grace; remove one of the two',
    ],
  },
  {
    change: [['name: mysql\n', 'name: mysql\n    check: { port: 3306 }\n']],
    found: [
      'warning 7:20: listeners[0].check.port: 3306 is the port of db1 itself; the agent has one of its own, 9222',
    ],
  },
  {
    change: [['name: mysql\n', 'name: mysql\n    check: { port: 70000 }\n']],
    found: ['7:20: listeners[0].check.port: found 70000; allowed are the whole numbers 1 to 65535'],
  },
  {
    change: [['name: mysql\n', 'name: mysql\n    check: { fast_interval: 5s }\n']],
    found: [
      'warning 7:29: listeners[0].check.fast_interval: found "5s", which is longer than the interval; write a shorter one',
    ],
  },
  {
    change: [['name: mysql\n', 'name: mysql\n    agent_check: { port: 3306 }\n']],
    found: [
      'warning 7:26: listeners[0].agent_check.port: 3306 is the port of db1 itself; what speaks agent-check has one of its own, such as 9223',
    ],
  },
  {
    change: [['name: mysql\n', 'name: mysql\n    check: { headers: { Transfer-Encoding: chunked } }\n']],
    found: [
      '7:44: listeners[0].check.headers.Transfer-Encoding: found (not shown); the balancer sets this header itself; remove it',
    ],
  },
  {
    change: [['router_id: lb1', 'router_id: lb1\nadmin: { socket: /tmp }']],
    found: ['2:18: admin.socket: /tmp is there and is no socket; name a path that is free'],
  },
  {
    change: [
      [
        'router_id: lb1',
        'router_id: lb1\nadmin: { http: { bind: 198.18.0.100:3306, path: "/a?b", users: [{ name: a, password_file: /nowhere }, { name: a, password_file: /nowhere }] } }',
      ],
    ],
    found: [
      '2:24: admin.http.bind: found "198.18.0.100:3306"; 198.18.0.100:3306 above has this address and port; choose another port',
      '2:49: admin.http.path: a path without ? and # is needed; what follows them is not looked at',
      '2:91: admin.http.users[0].password_file: cannot read /nowhere (ENOENT); make it with: balancer hash-password > /nowhere',
      '2:111: admin.http.users[1].name: found "a"; the name is taken above; choose another',
      '2:129: admin.http.users[1].password_file: cannot read /nowhere (ENOENT); make it with: balancer hash-password > /nowhere',
    ],
  },
  {
    change: [
      [
        'router_id: lb1',
        'router_id: lb1\nadmin: { http: { bind: 198.18.0.1:8888, users: [{ name: a, password_file: /dev/null }] } }',
      ],
      ['198.18.0.11:3306', '198.18.0.1:8888'],
    ],
    found: [
      '2:75: admin.http.users[0].password_file: /dev/null is no file; make it with: balancer hash-password > /dev/null',
      '10:31: listeners[0].servers[0].address: 198.18.0.1:8888 is the status page of this balancer; write the address of the database',
    ],
  },
  {
    change: [['router_id: lb1', 'router_id: lb1\nlog: { syslog: x, level: loud }']],
    found: [
      '2:16: log.syslog: found "x"; write 127.0.0.1:514 or "[::1]:514", the UDP port of a syslog daemon, or /dev/log',
      '2:26: log.level: found "loud"; allowed are fatal, error, warn, info, debug, trace',
    ],
  },
  {
    change: [
      [
        'router_id: lb1',
        'router_id: lb1\nlog: { syslog: "255.255.255.255:514", format: bsd, facility: local8, lvl: info }',
      ],
    ],
    found: [
      '2:16: log.syslog: found "255.255.255.255:514"; 255.255.255.255 is the broadcast address; write the address of a host',
      '2:47: log.format: found "bsd"; allowed are rfc3164, rfc5424',
      '2:62: log.facility: found "local8"; allowed are kern, user, mail, daemon, auth, syslog, lpr, news, uucp, cron, authpriv, ftp, local0, local1, local2, local3, local4, local5, local6, local7; did you mean local0?',
      '2:70: log.lvl: unknown key; did you mean level?',
    ],
  },
  {
    change: [['router_id: lb1', `router_id: lb1\nlog: { syslog: /${'x'.repeat(107)} }`]],
    found: [`2:16: log.syslog: found "/${'x'.repeat(78)}…; a socket path has at most 107 bytes`],
  },
  {
    change: [['router_id: lb1', 'router_id: lb1\nlog: { format: rfc5424, facility: daemon }']],
    found: ['format', 'facility'].map(
      (key) =>
        `warning 2:${key === 'format' ? 16 : 35}: log.${key}: without syslog this means nothing; name its receiver, such as syslog: 127.0.0.1:514`,
    ),
  },
  {
    change: [['router_id: lb1', 'router_id: lb1\nlog: { syslog: /dev/log, format: rfc5424 }']],
    found: [
      'warning 2:34: log.format: journald reads no RFC 5424 from /dev/log, and rsyslog only with SysSock.UseSpecialParser="off"; write rfc3164',
    ],
  },
]

t.test(
  'listeners that cannot work are errors and those that hardly can warnings, each with its place and what to do',
  (t) => testRows(t, rows),
)
