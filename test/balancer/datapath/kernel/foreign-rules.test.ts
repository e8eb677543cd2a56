// Rules that other programs make, as the real nft and iptables write and list them: which are in the way, and what lets packets pass.

import t from 'tap'
import { type Path, type PathFinding, pathFindings } from '../../../../balancer/datapath/kernel/core/path-findings.ts'
import {
  type AdvertisementFinding,
  type AdvertisementPath,
  advertisementFindings,
} from '../../../../balancer/datapath/rules/core/advertisement-findings.ts'
import { parseRuleset } from '../../../../balancer/datapath/rules/core/ruleset.ts'
import { mustRun } from '../../../lab/command.ts'
import { createLab } from '../../../lab/lab.ts'

t.setTimeout(600_000)
const lab = await createLab({ name: 'foreign-rules' })
t.teardown(() => lab.destroy())
const lb = await lab.addHost('lb1', '198.18.0.1/24')

const mark = { mask: 0xff000000, value: 0xb1000000, example: 0xb1000007 }
const path: Path = {
  bind: { address: '198.18.0.100', port: 3366 },
  server: { address: '198.18.0.11', port: 3306 },
  clientSide: 'eth0',
  serverSide: 'eth1',
  isServerHere: false,
}

const inHost = async (command: string, ...args: readonly string[]): Promise<string> =>
  mustRun('nsenter', [`--net=/run/netns/${lb.namespace}`, '--', command, ...args])

const findings = async (paths: readonly Path[] = [path]): Promise<readonly PathFinding[]> =>
  pathFindings(paths, await chainsThere(), mark, ['balancer'])

const chainsThere = async () => {
  const json = await inHost('nft', '-j', '-t', 'list', 'ruleset')
  const text = await inHost('nft', '-a', '-t', 'list', 'ruleset')
  const chains = parseRuleset(json, text)
  if (chains === null) throw new Error(`nft answered ${json}`)
  return chains
}

const nft = async (rules: string): Promise<void> => {
  await mustRun('nsenter', [`--net=/run/netns/${lb.namespace}`, '--', 'nft', '-f', '-'], {
    input: `flush ruleset\n${rules}`,
  })
}

/** Rules by nft, and those of them that have to be found: the beginning of each sentence. */
const cases: readonly {
  readonly name: string
  readonly rules: string
  readonly found: readonly { readonly isSure: boolean; readonly text: RegExp }[]
  readonly path?: Path
}[] = [
  { name: 'a host without rules', rules: '', found: [] },
  {
    name: 'rules that remember clients in a map, of which nft 1.0.6 has no JSON',
    rules:
      'table inet filter { map seen { type ipv4_addr : mark; flags dynamic,timeout; }; chain forward { type filter hook forward priority filter; update @seen { ip saddr timeout 1m : meta mark } accept; }; }',
    found: [],
  },
  {
    name: 'forward with policy drop and nothing else',
    rules: 'table inet filter { chain forward { type filter hook forward priority filter; policy drop; }; }',
    found: [
      {
        isSure: true,
        text: /^chain forward of the table inet filter drops what clients send to the servers \(policy drop\); run: nft insert rule inet filter forward ct mark and 0xff000000 == 0xb1000000 accept$/,
      },
      { isSure: true, text: /drops what the servers answer \(policy drop\)/ },
    ],
  },
  {
    name: 'the same that lets go on what is established: only the first packet is dropped',
    rules:
      'table inet filter { chain forward { type filter hook forward priority filter; policy drop; ct state { established, related } accept; }; }',
    found: [{ isSure: true, text: /drops what clients send/ }],
  },
  {
    name: 'states by a map of verdicts',
    rules:
      'table inet filter { chain forward { type filter hook forward priority filter; policy drop; ct state vmap { established : accept, related : accept, invalid : drop }; iifname "eth0" oifname "eth1" tcp dport { 80, 3306 } accept; }; }',
    found: [],
  },
  {
    name: 'one that lets our mark pass',
    rules:
      'table inet filter { chain forward { type filter hook forward priority filter; policy drop; ct mark and 0xff000000 == 0xb1000000 accept; }; }',
    found: [],
  },
  {
    name: 'firewalld, which lets pass whatever is translated',
    rules: `table inet firewalld {
      chain filter_FORWARD { type filter hook forward priority filter + 10; policy accept;
        ct state { established, related } accept
        ct status dnat accept
        iifname "lo" accept
        ct state invalid drop
        reject with icmpx type admin-prohibited
      }
    }`,
    found: [],
  },
  {
    name: 'a rule that rejects, behind a jump by the interface',
    rules: `table ip shop {
      chain checks { ip daddr 198.18.0.0/24 tcp dport 3300-3310 reject with tcp reset; }
      chain f { type filter hook forward priority 5; policy accept; iifname "eth*" jump checks; }
    }`,
    found: [
      {
        isSure: true,
        text: /^chain checks of the table ip shop drops what clients send to the servers \(rule "ip daddr 198\.18\.0\.0\/24 tcp dport 3300-3310 reject with tcp reset"\); run: nft insert rule ip shop f /,
      },
    ],
  },
  {
    name: 'clients that somebody does not want are none of our business',
    rules: `table inet filter {
      set banned { type ipv4_addr; elements = { 198.18.0.66 }; }
      chain forward { type filter hook forward priority filter; policy accept; ip saddr @banned drop; ip saddr 203.0.113.0/24 drop; udp dport 3306 drop; }
    }`,
    found: [],
  },
  {
    name: 'only some clients may pass: not to be told from here',
    rules:
      'table inet filter { chain forward { type filter hook forward priority filter; policy drop; ct state established accept; ip saddr 10.0.0.0/8 accept; }; }',
    found: [{ isSure: false, text: /drops what clients send/ }],
  },
  {
    name: 'IPv6 alone',
    rules: 'table ip6 filter { chain forward { type filter hook forward priority filter; policy drop; }; }',
    found: [],
  },
  {
    name: 'what is not tracked',
    rules: 'table inet fast { chain pre { type filter hook prerouting priority raw; tcp dport 3366 notrack; }; }',
    found: [
      {
        isSure: true,
        text: /^chain pre of the table inet fast keeps what clients send to the servers from being tracked, and so from being forwarded \(rule "tcp dport 3366 notrack"\); run: nft delete rule inet fast pre handle \d+$/,
      },
    ],
  },
  {
    name: 'an input chain that does not know the port: nobody would be reset',
    rules:
      'table inet filter { chain input { type filter hook input priority filter; policy drop; ct state established,related accept; iifname "lo" accept; tcp dport { 22, 9222 } accept; }; }',
    found: [
      {
        isSure: true,
        text: /drops the packets by which waiting clients of a dead server learn of it \(policy drop\); run: nft insert rule inet filter input ip daddr 198\.18\.0\.100 tcp dport 3366 accept$/,
      },
    ],
  },
  {
    name: 'a server on this host behind the same',
    rules:
      'table inet filter { chain input { type filter hook input priority filter; policy drop; tcp dport { 22, 3366 } accept; }; }',
    found: [{ isSure: true, text: /drops what clients send to the servers/ }],
    path: { ...path, isServerHere: true },
  },
  {
    name: 'our own table',
    rules: 'table inet balancer { chain forward { type filter hook forward priority filter; policy drop; }; }',
    found: [],
  },
]

for (const { name, rules, found, path: way = path } of cases) {
  t.test(name, async (t) => {
    await nft(rules)
    const there = await findings([way])
    t.match(there, found, JSON.stringify(there))
    t.equal(there.length, found.length, JSON.stringify(there))
  })
}

t.test('what is advised lets the packets pass', async (t) => {
  for (const { name, rules, found, path: way = path } of cases) {
    if (!found.some(({ isSure }) => isSure)) continue
    await nft(rules)
    for (let i = 0; i < 3; i += 1) {
      const [first] = await findings([way])
      const command = first?.text.split('; run: ')[1]
      if (command === undefined) break
      await inHost('sh', '-c', command)
    }
    t.same(await findings([way]), [], name)
  }
})

/** What these programs give to iptables-restore: Docker 20 and later, and ufw as it is after `ufw enable`. */
const docker = `*filter
:INPUT ACCEPT [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
:DOCKER - [0:0]
:DOCKER-ISOLATION-STAGE-1 - [0:0]
:DOCKER-ISOLATION-STAGE-2 - [0:0]
:DOCKER-USER - [0:0]
-A FORWARD -j DOCKER-USER
-A FORWARD -j DOCKER-ISOLATION-STAGE-1
-A FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A FORWARD -o docker0 -j DOCKER
-A FORWARD -i docker0 ! -o docker0 -j ACCEPT
-A FORWARD -i docker0 -o docker0 -j ACCEPT
-A DOCKER -d 172.17.0.2/32 ! -i docker0 -o docker0 -p tcp -m tcp --dport 80 -j ACCEPT
-A DOCKER-ISOLATION-STAGE-1 -i docker0 ! -o docker0 -j DOCKER-ISOLATION-STAGE-2
-A DOCKER-ISOLATION-STAGE-1 -j RETURN
-A DOCKER-ISOLATION-STAGE-2 -o docker0 -j DROP
-A DOCKER-ISOLATION-STAGE-2 -j RETURN
-A DOCKER-USER -j RETURN
COMMIT
`
const ufw = `*filter
:INPUT DROP [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
:ufw-before-logging-forward - [0:0]
:ufw-before-forward - [0:0]
:ufw-before-input - [0:0]
:ufw-reject-forward - [0:0]
:ufw-user-forward - [0:0]
:ufw-user-input - [0:0]
-A INPUT -j ufw-before-input
-A FORWARD -j ufw-before-logging-forward
-A FORWARD -j ufw-before-forward
-A FORWARD -j ufw-reject-forward
-A ufw-before-input -i lo -j ACCEPT
-A ufw-before-input -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A ufw-before-input -m conntrack --ctstate INVALID -j DROP
-A ufw-before-input -j ufw-user-input
-A ufw-before-forward -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A ufw-before-forward -p icmp --icmp-type 3 -j ACCEPT
-A ufw-before-forward -j ufw-user-forward
-A ufw-user-input -p tcp --dport 22 -j ACCEPT
COMMIT
`

const iptables = async (rules: string): Promise<void> => {
  await nft('')
  await mustRun('nsenter', [`--net=/run/netns/${lb.namespace}`, '--', 'iptables-nft-restore'], { input: rules })
}

t.test('Docker closes forward: its own chain for others lets us pass', async (t) => {
  await iptables(docker)
  const found = await findings()
  t.match(found, [
    {
      isSure: true,
      text: /^chain FORWARD of the table ip filter drops what clients send to the servers \(policy drop\); run: iptables -I DOCKER-USER -m connmark --mark 0xb1000000\/0xff000000 -j ACCEPT$/,
    },
    { isSure: true, text: /drops what the servers answer/ },
  ])
  await inHost('iptables-nft', '-I', 'DOCKER-USER', '-m', 'connmark', '--mark', '0xb1000000/0xff000000', '-j', 'ACCEPT')
  t.same(await findings(), [])
})

t.test('ufw closes forward and input: it has commands of its own', async (t) => {
  await iptables(ufw)
  t.match(await findings(), [
    {
      isSure: true,
      text: /drops what clients send to the servers \(policy drop\); run: ufw route allow proto tcp to 198\.18\.0\.11 port 3306 \(the same for each server\)$/,
    },
    { isSure: true, text: /dead server learn of it .*; run: ufw allow proto tcp to 198\.18\.0\.100 port 3366$/ },
  ])
  // What these commands add.
  await inHost(
    'iptables-nft',
    '-A',
    'ufw-user-forward',
    '-p',
    'tcp',
    '-d',
    '198.18.0.11',
    '--dport',
    '3306',
    '-j',
    'ACCEPT',
  )
  await inHost(
    'iptables-nft',
    '-A',
    'ufw-user-input',
    '-p',
    'tcp',
    '-d',
    '198.18.0.100',
    '--dport',
    '3366',
    '-j',
    'ACCEPT',
  )
  t.same(await findings(), [])
})

t.test('many servers behind one rule are one finding', async (t) => {
  await nft('table inet filter { chain forward { type filter hook forward priority filter; policy drop; }; }')
  const many = Array.from({ length: 50 }, (_, i) => ({ ...path, server: { address: `198.18.1.${i}`, port: 3306 } }))
  t.equal((await findings(many)).length, 2)
})

t.test('an answer that is no list of rules is told apart', async (t) => {
  for (const json of ['', '{', '[]', '{"nftables": 1}', '{"nftables":[{"rule":{"family":"ip"}}]}', 'null']) {
    t.equal(parseRuleset(json, ''), null, json)
  }
  t.same(parseRuleset('{"nftables":[{"metainfo":{}},{"future":{"x":1}}]}', 'nonsense # handle x\n'), [])
})

const unicast: AdvertisementPath = {
  ...{ instance: 'VI_1', family: 'ipv4', device: 'eth0' },
  ...{ own: '198.18.0.2', peers: ['198.18.0.3', '198.18.0.4'], group: null },
}
const multicast: AdvertisementPath = { ...unicast, own: null, peers: [null], group: '224.0.0.18' }
const input = (rules: string, hook = 'input'): string =>
  `table inet filter { chain ${hook} { type filter hook ${hook} priority filter; policy drop; ${rules}; }; }`
const usual = 'ct state established,related accept; iifname "lo" accept; tcp dport { 22, 3306 } accept'
const deaf = /drops the advertisements of other balancers, and this one becomes master beside them \(policy drop\)/

const advertisementsOf = async (way: AdvertisementPath): Promise<readonly AdvertisementFinding[]> =>
  advertisementFindings([way], await chainsThere())

const filters: readonly {
  readonly name: string
  readonly rules: string
  readonly found: readonly { readonly isSure: boolean; readonly what: RegExp }[]
  readonly way?: AdvertisementPath
}[] = [
  { name: 'no rules', rules: '', found: [] },
  { name: 'policy drop', rules: input(usual), found: [{ isSure: true, what: deaf }] },
  { name: 'policy drop, and multicast', rules: input(usual), found: [{ isSure: true, what: deaf }], way: multicast },
  { name: 'VRRP may pass', rules: input(`${usual}; ip protocol vrrp accept`), found: [] },
  { name: 'VRRP may pass by its number', rules: input(`${usual}; meta l4proto { 1, 112 } accept`), found: [] },
  { name: 'the group may pass', rules: input(`${usual}; ip daddr 224.0.0.18 accept`), found: [], way: multicast },
  {
    name: 'one peer of two may pass',
    rules: input(`${usual}; ip saddr 198.18.0.3 accept`),
    found: [{ isSure: true, what: deaf }],
  },
  {
    name: 'those of some sources may pass: with multicast it is not known who sends',
    rules: input('ip saddr 198.18.0.3 ip protocol vrrp accept'),
    found: [{ isSure: false, what: /\(policy drop\) \(unless another rule lets them pass\)/ }],
    way: multicast,
  },
  {
    name: 'on another interface it may pass',
    rules: input('iifname "eth1" meta l4proto vrrp accept'),
    found: [{ isSure: true, what: deaf }],
  },
  {
    name: 'what this host says is dropped',
    rules: input('tcp dport 9222 accept', 'output'),
    found: [{ isSure: true, what: /drops the advertisements of this balancer, and others become master beside it/ }],
  },
  {
    name: 'a rule against it',
    rules: 'table inet filter { chain input { type filter hook input priority filter; meta l4proto vrrp drop; }; }',
    found: [{ isSure: true, what: /\(rule "meta l4proto (?:vrrp|112) drop"\)/ }],
  },
  {
    name: 'IPv6 alone',
    rules: 'table ip6 f { chain i { type filter hook input priority 0; policy drop; }; }',
    found: [],
  },
  {
    name: 'IPv6',
    rules: 'table ip6 f { chain i { type filter hook input priority 0; policy drop; }; }',
    found: [{ isSure: true, what: deaf }],
    way: { ...multicast, family: 'ipv6', group: 'ff02::12' },
  },
]
for (const { name, rules, found, way = unicast } of filters) {
  t.test(`advertisements: ${name}`, async (t) => {
    await nft(rules)
    const there = await advertisementsOf(way)
    t.match(there, found, JSON.stringify(there))
    t.equal(there.length, found.length, JSON.stringify(there))
    for (const { isSure, remedy } of there) {
      const [, command] = /^run: (nft .*), and write that into the file of these rules$/.exec(remedy) ?? []
      t.ok(command, remedy)
      if (isSure) await inHost('sh', '-c', command ?? 'false')
    }
    if (found.some(({ isSure }) => isSure)) t.same(await advertisementsOf(way), [], 'what is advised lets them pass')
  })
}

t.test('iptables and ufw have commands of their own for advertisements', async (t) => {
  await iptables('*filter\n:INPUT DROP [0:0]\n-A INPUT -p tcp --dport 22 -j ACCEPT\nCOMMIT\n')
  const [found] = await advertisementsOf(multicast)
  const [, command] =
    /^run: (iptables .* ACCEPT), and keep it where these rules are kept$/.exec(found?.remedy ?? '') ?? []
  t.equal(command, 'iptables -I INPUT -p 112 -j ACCEPT')
  await inHost('iptables-nft', '-I', 'INPUT', '-p', '112', '-j', 'ACCEPT')
  t.same(await advertisementsOf(multicast), [])

  await iptables(ufw)
  t.match(await advertisementsOf(unicast), [
    {
      isSure: true,
      remedy:
        /^write into \/etc\/ufw\/before\.rules, before COMMIT: -A ufw-before-input -p 112 -j ACCEPT; then run: ufw reload$/,
    },
  ])
  await inHost('iptables-nft', '-A', 'ufw-before-input', '-p', '112', '-j', 'ACCEPT')
  t.same(await advertisementsOf(unicast), [])
})
