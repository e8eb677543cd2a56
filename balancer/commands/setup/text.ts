// What `balancer setup` writes and says: balancer.yaml with comments, and what comes next.

import { endpointText } from '../../core/endpoint.ts'
import { familyOf } from '../../core/ip-address.ts'
import { shellWord } from '../../core/text.ts'
import type { Answers } from './answers.ts'

/** With nothing left open. */
export type Settled = Answers & { readonly address: { readonly address: string; readonly prefixLength: number } }

const statusPort = 8888
const agentPort = 9222

/** The whole of balancer.yaml. `first` are lines above all others. */
export const configurationText = (answers: Settled, first: readonly string[]): string => {
  const { address, port, own, peer, servers, vrrpPasswordFile, statusPasswordFile } = answers
  const at = (one: string, atPort: number): string => inYaml(endpointText({ address: one, port: atPort }))
  const lines = [
    ...first,
    '# What differs from the other balancer host: router_id, priority, and the own addresses under unicast and admin.',
    '# All keys: man balancer.yaml. After a change: balancer check, then balancer reload.',
    `router_id: ${plain(answers.routerId)}`,
    '',
    'vrrp:',
    '  instances:',
    '    - name: VI_1',
    `      interface: ${plain(answers.interface)}`,
    `      virtual_router_id: ${answers.virtualRouterId}             # the same on both hosts, no other on this network`,
    ...(vrrpPasswordFile === null
      ? [
          '      version: 3',
          `      priority: ${answers.priority}                     # the higher one is master`,
          '      advertisement_interval: 100ms     # a dead host is missed after three of them',
        ]
      : [
          '      version: 2                        # passwords are known to version 2 alone',
          `      priority: ${answers.priority}                     # the higher one is master`,
          '      advertisement_interval: 1s        # a dead host is missed after three of them',
          '      authentication:                   # keeps slips of the pen away, not attackers: it is sent in clear text',
          '        type: pass',
          `        password_file: ${vrrpPasswordFile}`,
        ]),
    '      preempt: false                    # who returns stays backup',
    `      virtual_addresses: [${address.address}/${address.prefixLength}]`,
    ...(peer === null ? [] : [`      unicast: { source: ${own}, peers: [${peer}] }`]),
    '',
    'listeners:',
    '  - name: mysql',
    `    bind: ${at(address.address, port)}`,
    '    # datapath: direct                  # sessions outlive balancers; prepare the servers first: balancer.yaml(5), DATAPATHS',
    '    balance: roundrobin                 # or leastconn; single: one server, the others take over',
    '    timeouts: { connect: 5s, client: 8h, server: 8h, queue: 5s }',
    '    # mysqlchk-agent on each server; without agents write { type: tcp, interval: 2s }',
    `    check: { type: http, port: ${agentPort}, path: /, interval: 2s, timeout: 2s, rise: 2, fall: 3 }`,
    '    servers:',
    ...servers.map(
      ({ name, address: server }) => `      - { name: ${plain(name)}, address: ${inYaml(endpointText(server))} }`,
    ),
    '',
    'admin:',
    '  socket: /run/balancer/admin.sock',
    ...(statusPasswordFile === null
      ? []
      : [
          '  http:                                 # the status page, at /status',
          `    bind: [${at(address.address, statusPort)}, ${at(own, statusPort)}]`,
          `    users: [{ name: admin, password_file: ${statusPasswordFile} }]`,
        ]),
  ]
  return `${lines.join('\n')}\n`
}

/** A list begins with a bracket. */
const inYaml = (endpoint: string): string => (endpoint.startsWith('[') ? `"${endpoint}"` : endpoint)

const agentUrl = (address: string): string => {
  const url = `http://${endpointText({ address, port: agentPort })}/`
  return familyOf(address) === 'ipv4' ? url : `'${url}'`
}

/** In quotes where YAML would take a name for something else. */
const plain = (name: string): string =>
  /^[A-Za-z][\w.-]*$/.test(name) && !/^(null|true|false|yes|no|on|off|y|n)$/i.test(name) ? name : JSON.stringify(name)

/** The priority of the other host: one apart. */
const otherPriority = (priority: number): number => (priority > 100 ? priority - 1 : priority + 1)

/** The command that sets up the other host as this one's peer. */
const commandForOther = (answers: Settled, output: string | null): string => {
  const { address, port, servers, peer, own, vrrpPasswordFile, statusPasswordFile } = answers
  const words = [
    ...['--interface', answers.interface],
    ...['--address', `${address.address}/${address.prefixLength}:${port}`],
    ...['--servers', servers.map(({ name, address: server }) => `${name}=${endpointText(server)}`).join(',')],
    ...['--virtual-router-id', String(answers.virtualRouterId)],
    ...['--priority', String(otherPriority(answers.priority))],
    ...['--peer', peer === null ? 'none' : own],
    ...(vrrpPasswordFile === null ? [] : ['--vrrp-password-file', vrrpPasswordFile]),
    ...(statusPasswordFile === null ? [] : ['--status-password-file', statusPasswordFile]),
    ...(output === null ? [] : ['--output', output]),
  ]
  return `balancer setup --yes ${words.map((word) => (/^[\w=,:./-]+$/.test(word) ? word : shellWord(word))).join(' ')}`
}

/** What is left to do. `output` is null for the usual file, `kept` where the file before it is now. */
export const nextSteps = (answers: Settled, file: string, output: string | null, kept: string | null): string => {
  const { peer, servers, vrrpPasswordFile, statusPasswordFile } = answers
  const secrets = [vrrpPasswordFile, statusPasswordFile].filter((one) => one !== null)
  const option = output === null ? '' : ` --config ${output}`
  const steps = [
    ...(secrets.length === 0
      ? []
      : [`Copy ${secrets.join(' and ')} to the other host, readable by root alone (scp -p).`]),
    `On the other host${peer === null ? '' : ` (${peer})`}, where the interface may have another name:\n       ${commandForOther(answers, output)}`,
    ...servers
      .slice(0, 1)
      .map(({ address }) => `On each database host mysqlchk-agent has to answer: curl ${agentUrl(address.address)}`),
    output === null
      ? 'On both hosts: systemctl enable --now balancer; where it runs already: balancer reload'
      : `On both hosts: balancer run --config ${output}`,
    `Look at it: balancer show${option}, and balancer show vrrp${option}`,
  ]
  return [
    `Written: ${file}`,
    ...(kept === null ? [] : [`The file before it: ${kept}`]),
    'Next:',
    ...steps.map((step, i) => `  ${i + 1}. ${step}`),
    '',
  ].join('\n')
}
