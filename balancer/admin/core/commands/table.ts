// All commands of the runtime socket. `help`, `balancer --help` and the completion of the shell are made of it.

import type { Command } from './command.ts'

const json = '[--json]'
const place = 'LISTENER/SERVER'

const table = [
  // Ours: what `balancer` has as words of its command line.
  {
    words: 'show status',
    arguments: json,
    help: 'all of it on one screen',
    level: 'user',
    of: 'balancer',
  },
  {
    words: 'show servers',
    arguments: `[LISTENER[/SERVER]] ${json}`,
    help: 'each server: its state, why, and who holds it',
    level: 'user',
    of: 'balancer',
  },
  {
    words: 'show vrrp',
    arguments: json,
    help: 'each VRRP instance: its state, why, and whom it heard',
    level: 'user',
    of: 'balancer',
  },
  {
    words: 'show peers',
    arguments: json,
    help: 'the other balancers, and what they were told',
    level: 'user',
    of: 'balancer',
  },
  {
    words: 'show sessions',
    arguments: json,
    help: 'how many sessions there are, and how they ended',
    level: 'user',
    of: 'balancer',
  },
  {
    words: 'show events',
    arguments: json,
    help: 'what changed, when and why',
    level: 'operator',
    of: 'balancer',
  },
  {
    words: 'server',
    arguments: `${place} ready|drain|maint|weight N`,
    help: 'take a server out, bring it back, give it a share',
    level: 'admin',
    of: 'balancer',
  },
  {
    words: 'sessions end',
    arguments: `${place}|CLIENT`,
    help: 'end what a server, or a client (address, address:port), has',
    level: 'admin',
    of: 'balancer',
  },
  {
    words: 'vrrp',
    arguments: 'INSTANCE handover|maint|ready',
    help: 'move its addresses away on purpose, or take part again',
    level: 'admin',
    of: 'balancer',
  },
  {
    words: 'reload',
    arguments: '',
    help: 'apply the configuration file as it is now (also SIGHUP)',
    level: 'admin',
    of: 'balancer',
  },
  {
    words: 'reexec',
    arguments: '',
    help: 'have the program on disk take over; sessions stay',
    level: 'admin',
    of: 'balancer',
  },
  // HAProxy's, with its answers.
  {
    words: 'show info',
    arguments: '[typed|json]',
    help: 'report information about the running process',
    level: 'user',
    of: 'haproxy',
  },
  {
    words: 'show stat',
    arguments: '[<iid> <type> <sid>] [typed|json] [up|no-maint]',
    help: 'report counters for each proxy and server',
    level: 'user',
    of: 'haproxy',
  },
  {
    words: 'show servers state',
    arguments: '[<backend>]',
    help: 'dump volatile server information (all or for a single backend)',
    level: 'user',
    of: 'haproxy',
  },
  {
    words: 'show servers conn',
    arguments: '[<backend>]',
    help: 'dump server connections status (all or for a single backend)',
    level: 'user',
    of: 'haproxy',
  },
  {
    words: 'show backend',
    arguments: '',
    help: 'list backends in the current running config',
    level: 'user',
    of: 'haproxy',
  },
  {
    words: 'show sess',
    arguments: '[<id>|all]',
    help: 'report the list of current sessions or dump this exact session',
    level: 'operator',
    of: 'haproxy',
  },
  {
    words: 'show errors',
    arguments: '',
    help: 'report last request and/or response errors: none without HTTP',
    level: 'operator',
    of: 'haproxy',
  },
  {
    words: 'show version',
    arguments: '',
    help: 'show version of the current process',
    level: 'user',
    of: 'haproxy',
  },
  {
    words: 'get weight',
    arguments: '<bk>/<srv>',
    help: "report a server's current weight",
    level: 'user',
    of: 'haproxy',
  },
  {
    words: 'set server',
    arguments: '<bk>/<srv> state|weight <value>',
    help: "change a server's state or weight",
    level: 'admin',
    of: 'haproxy',
  },
  {
    words: 'set weight',
    arguments: '<bk>/<srv> <weight>[%]',
    help: "change a server's weight (use 'set server' instead)",
    level: 'admin',
    of: 'haproxy',
  },
  {
    words: 'enable server',
    arguments: '<bk>/<srv>',
    help: "enable a disabled server (use 'set server' instead)",
    level: 'admin',
    of: 'haproxy',
  },
  {
    words: 'disable server',
    arguments: '<bk>/<srv>',
    help: "disable a server for maintenance (use 'set server' instead)",
    level: 'admin',
    of: 'haproxy',
  },
  {
    words: 'shutdown session',
    arguments: '<id>',
    help: 'kill a specific session',
    level: 'admin',
    of: 'haproxy',
  },
  {
    words: 'shutdown sessions server',
    arguments: '<bk>/<srv>',
    help: 'kill sessions on a server',
    level: 'admin',
    of: 'haproxy',
  },
  {
    words: 'clear counters',
    arguments: '',
    help: 'clear max statistics counters',
    level: 'operator',
    of: 'haproxy',
  },
  {
    words: 'clear counters all',
    arguments: '',
    help: 'clear all counters',
    level: 'admin',
    of: 'haproxy',
  },
  // About the conversation.
  {
    words: 'set timeout cli',
    arguments: '<delay>',
    help: 'change how long this connection may be silent',
    level: 'user',
    of: 'connection',
  },
  {
    words: 'show cli level',
    arguments: '',
    help: 'display the level of the current CLI session',
    level: 'user',
    of: 'connection',
  },
  {
    words: 'operator',
    arguments: '',
    help: 'lower the level of the current CLI session to operator',
    level: 'user',
    of: 'connection',
  },
  {
    words: 'user',
    arguments: '',
    help: 'lower the level of the current CLI session to user',
    level: 'user',
    of: 'connection',
  },
  {
    words: 'help',
    arguments: '[<command>]',
    help: 'list matching or all commands',
    level: 'user',
    of: 'connection',
  },
  {
    words: 'prompt',
    arguments: '[n|i|p]',
    help: 'toggle interactive mode with prompt',
    level: 'user',
    of: 'connection',
  },
  { words: 'quit', arguments: '', help: 'disconnect', level: 'user', of: 'connection' },
] as const satisfies readonly Command[]

type Row = (typeof table)[number]

/** The words of the commands of one kind. */
export type WordsOf<Of extends Command['of']> = Extract<Row, { readonly of: Of }>['words']

/** The table: what each word means, and who may say it. */
export const commands: readonly Row[] = table
