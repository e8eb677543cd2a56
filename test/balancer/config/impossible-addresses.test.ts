import t from 'tap'
import { type Row, testRows } from './impossible.ts'

const rows: readonly Row[] = [
  {
    change: [['198.18.0.100/24', '198.18.0.0/24']],
    found: [
      '4:77: vrrp.instances[0].virtual_addresses[0]: found "198.18.0.0/24"; 198.18.0.0 is the address of the network 198.18.0.0/24 itself; write an address that a host can have',
    ],
  },
  {
    change: [['198.18.0.100/24', '198.18.0.255/24']],
    found: [
      '4:77: vrrp.instances[0].virtual_addresses[0]: found "198.18.0.255/24"; 198.18.0.255 is the broadcast address of its network (/24); write an address that a host can have',
    ],
  },
  { change: [['198.18.0.100/24', '198.18.0.100/31']], found: [] },
  {
    change: [['198.18.0.100/24', '224.0.0.5/24']],
    found: [
      '4:77: vrrp.instances[0].virtual_addresses[0]: found "224.0.0.5/24"; 224.0.0.5 is a multicast address; write an address that a host can have',
    ],
  },
  {
    change: [['198.18.0.100/24', '0.0.0.0']],
    found: [
      '4:77: vrrp.instances[0].virtual_addresses[0]: found "0.0.0.0"; 0.0.0.0 stands for every address of a host; write an address that a host can have',
    ],
  },
  {
    change: [['198.18.0.100/24', '127.0.0.1/8']],
    found: [
      '4:77: vrrp.instances[0].virtual_addresses[0]: found "127.0.0.1/8"; 127.0.0.1 is a loopback address and never leaves its host; write an address that a host can have',
    ],
  },
  {
    change: [['198.18.0.100/24', '240.0.0.1/24']],
    found: [
      '4:77: vrrp.instances[0].virtual_addresses[0]: found "240.0.0.1/24"; 240.0.0.1 is reserved (240.0.0.0/4); write an address that a host can have',
    ],
  },
  {
    change: [['198.18.0.100/24', '255.255.255.255']],
    found: [
      '4:77: vrrp.instances[0].virtual_addresses[0]: found "255.255.255.255"; 255.255.255.255 is the broadcast address; write an address that a host can have',
    ],
  },
  {
    change: [['198.18.0.100/24', '"::ffff:198.18.0.1"']],
    found: [
      '4:76: vrrp.instances[0].virtual_addresses: IPv6 needs version: 3; VRRP version 2 carries IPv4 only',
      '4:77: vrrp.instances[0].virtual_addresses[0]: found "::ffff:198.18.0.1"; ::ffff:c612:1 is an IPv4 address in the form of IPv6; write an address that a host can have',
    ],
  },
  {
    change: [['198.18.0.100/24', '0.1.2.3/8']],
    found: [
      '4:77: vrrp.instances[0].virtual_addresses[0]: found "0.1.2.3/8"; 0.1.2.3 is reserved (0.0.0.0/8); write an address that a host can have',
    ],
  },
  {
    change: [['198.18.0.100/24', '198.18.0.100/0']],
    found: [
      '4:77: vrrp.instances[0].virtual_addresses[0]: found "198.18.0.100/0"; write an IP address with its prefix length, such as 10.0.0.1/24 or 2001:db8::1/64',
    ],
  },
  {
    change: [['198.18.0.100/24', '198.18.0.100/33']],
    found: [
      '4:77: vrrp.instances[0].virtual_addresses[0]: found "198.18.0.100/33"; write an IP address with its prefix length, such as 10.0.0.1/24 or 2001:db8::1/64',
    ],
  },
  {
    change: [['virtual_addresses: [198.18.0.100/24]', 'version: 3, virtual_addresses: ["ff02::1"]']],
    found: [
      '4:89: vrrp.instances[0].virtual_addresses[0]: found "ff02::1"; ff02::1 is a multicast address; write an address that a host can have',
    ],
  },
  {
    change: [['virtual_addresses: [198.18.0.100/24]', 'version: 3, virtual_addresses: ["::1"]']],
    found: [
      '4:89: vrrp.instances[0].virtual_addresses[0]: found "::1"; ::1 is the loopback address and never leaves its host; write an address that a host can have',
    ],
  },
  {
    change: [['virtual_addresses: [198.18.0.100/24]', 'version: 3, virtual_addresses: ["2001:db8::/64"]']],
    found: [
      '4:89: vrrp.instances[0].virtual_addresses[0]: found "2001:db8::/64"; 2001:db8:: is the address of the network 2001:db8::/64 itself; write an address that a host can have',
    ],
  },
  {
    change: [['198.18.0.100/24', '{ address: 198.18.0.100/24, dev: "eth0:1" }']],
    found: [
      '4:110: vrrp.instances[0].virtual_addresses[0].dev: found "eth0:1"; the name of an interface is 1 to 15 characters without spaces, / and :',
    ],
  },
  {
    change: [['198.18.0.100/24', '{ address: 198.18.0.100/24, label: "eth0:a-long-label-of-it" }']],
    found: [
      '4:112: vrrp.instances[0].virtual_addresses[0].label: found "eth0:a-long-label-of-it"; a label is 1 to 15 printable characters without spaces, such as eth0:vip',
    ],
  },
  {
    change: [['interface: eth0', 'interface: a-name-of-sixteen']],
    found: [
      '4:29: vrrp.instances[0].interface: found "a-name-of-sixteen"; the name of an interface is 1 to 15 characters without spaces, / and :',
    ],
  },
  {
    change: [['interface: eth0', 'interface: lo']],
    found: ['4:29: vrrp.instances[0].interface: lo reaches no other router; write the interface of the network'],
  },
  {
    change: [['interface: eth0', 'interface: eth9']],
    found: ['warning 4:29: vrrp.instances[0].interface: this host has no interface eth9; did you mean eth0?'],
  },
  {
    change: [['virtual_addresses: [198.18.0.100/24]', 'virtual_addresses: [198.18.0.100/24, 198.18.0.100/32]']],
    found: [
      '4:94: vrrp.instances[0].virtual_addresses[1]: 198.18.0.100 is a virtual address already; each stands once',
    ],
  },
  {
    change: [
      [
        'virtual_addresses: [198.18.0.100/24]',
        'virtual_addresses: [198.18.0.100/24], virtual_addresses_excluded: [198.18.0.100/32]',
      ],
    ],
    found: [
      '4:124: vrrp.instances[0].virtual_addresses_excluded[0]: 198.18.0.100 is a virtual address already; each stands once',
    ],
  },
  {
    change: [
      [
        'virtual_addresses: [198.18.0.100/24] }',
        'virtual_addresses: [198.18.0.100/24], virtual_addresses_excluded: [198.18.0.110/32] }\n    - { name: W, interface: eth1, virtual_router_id: 2, virtual_addresses: [198.18.1.100/24], virtual_addresses_excluded: [198.18.0.110] }',
      ],
    ],
    found: [
      '5:124: vrrp.instances[1].virtual_addresses_excluded[0]: 198.18.0.110 is a virtual address already; each stands once',
    ],
  },
  {
    change: [['198.18.0.100/24', '198.18.0.11/24']],
    found: [
      '4:77: vrrp.instances[0].virtual_addresses[0]: 198.18.0.11 is the address of server mysql/db1: its connections would come back to this host; give each its own',
    ],
  },
  {
    change: [
      [
        'virtual_addresses: [198.18.0.100/24]',
        'virtual_addresses: [198.18.0.100/24], unicast: { source: 198.18.0.100, peers: [198.18.0.2] }',
      ],
    ],
    found: [
      `4:114: vrrp.instances[0].unicast.source: 198.18.0.100 is a virtual address; write the router's own, which it always has`,
    ],
  },
  {
    change: [
      [
        'virtual_addresses: [198.18.0.100/24]',
        'virtual_addresses: [198.18.0.100/24], unicast: { source: 198.18.0.1, peers: [198.18.0.100] }',
      ],
    ],
    found: [
      `4:134: vrrp.instances[0].unicast.peers[0]: 198.18.0.100 is a virtual address; write the router's own, which it always has`,
    ],
  },
  {
    change: [
      [
        'virtual_addresses: [198.18.0.100/24]',
        'virtual_addresses: [198.18.0.100/24], unicast: { source: 198.18.0.1, peers: [198.18.0.2, 198.18.0.2] }',
      ],
    ],
    found: ['4:146: vrrp.instances[0].unicast.peers[1]: 198.18.0.2 stands above already; name each peer once'],
  },
  {
    change: [
      [
        'virtual_addresses: [198.18.0.100/24]',
        'virtual_addresses: [198.18.0.100/24], unicast: { source: 198.18.0.9, peers: [198.18.0.1] }',
      ],
    ],
    found: [
      'warning 4:114: vrrp.instances[0].unicast.source: this host does not have 198.18.0.9: the instance is in FAULT until it has',
      'warning 4:134: vrrp.instances[0].unicast.peers[0]: this host itself has 198.18.0.1; name the other routers only',
    ],
  },
  {
    change: [
      [
        'virtual_addresses: [198.18.0.100/24]',
        'virtual_addresses: [198.18.0.100/24], unicast: { source: 198.18.0.1, peers: [224.0.0.18] }',
      ],
    ],
    found: [
      '4:134: vrrp.instances[0].unicast.peers[0]: found "224.0.0.18"; 224.0.0.18 is a multicast address; write the address of a host',
    ],
  },
  {
    change: [
      [
        'virtual_addresses: [198.18.0.100/24]',
        'virtual_addresses: [198.18.0.100/24], unicast: { source: 0.0.0.0, peers: [198.18.0.2] }',
      ],
    ],
    found: [
      '4:114: vrrp.instances[0].unicast.source: found "0.0.0.0"; 0.0.0.0 stands for every address of a host; write the address of a host',
    ],
  },
  {
    change: [
      [
        'virtual_addresses: [198.18.0.100/24]',
        'virtual_addresses: [198.18.0.100/24], unicast: { source: 198.18.0.1, peers: [198.18.0.1] }',
      ],
    ],
    found: ['4:134: vrrp.instances[0].unicast.peers[0]: this is the own source; name the other routers only'],
  },
  {
    change: [
      [
        'virtual_addresses: [198.18.0.100/24]',
        'virtual_addresses: [198.18.0.100/24], unicast: { source: 198.18.0.1, peers: ["fd00::1"] }',
      ],
    ],
    found: [
      '4:134: vrrp.instances[0].unicast.peers[0]: the virtual addresses are IPv4; write an address of that family',
    ],
  },
  {
    change: [['virtual_addresses: [198.18.0.100/24]', 'virtual_addresses: [198.18.0.100/24], priority: 255']],
    found: [
      'warning 4:77: vrrp.instances[0].virtual_addresses[0]: priority 255 is for the owner of 198.18.0.100, and this host does not have it; write 254 or less',
    ],
  },
  {
    change: [
      [
        'virtual_addresses: [198.18.0.100/24]',
        'virtual_addresses: [198.18.0.100/24], virtual_routes: [{ to: 198.19.0.1/16, via: 198.18.0.254 }]',
      ],
    ],
    found: [
      '4:118: vrrp.instances[0].virtual_routes[0].to: found "198.19.0.1/16"; 198.19.0.1 is an address in a network of /16; write 198.19.0.0/16',
    ],
  },
  {
    change: [
      [
        'virtual_addresses: [198.18.0.100/24]',
        'virtual_addresses: [198.18.0.100/24], virtual_routes: [{ to: 0.0.0.0/0, via: 198.18.0.254 }]',
      ],
    ],
    found: [
      '4:118: vrrp.instances[0].virtual_routes[0].to: found "0.0.0.0/0"; write a network, such as 10.0.0.0/24 or 2001:db8::/64; a default route is set where the host is set up',
    ],
  },
  {
    change: [
      [
        'virtual_addresses: [198.18.0.100/24]',
        'virtual_addresses: [198.18.0.100/24], virtual_routes: [{ to: 198.19.0.0/16, via: 10.9.9.9 }]',
      ],
    ],
    found: [
      'warning 4:138: vrrp.instances[0].virtual_routes[0].via: 10.9.9.9 is in no network of eth0 and of the virtual addresses; the kernel refuses such a route',
    ],
  },
  {
    change: [
      [
        'virtual_addresses: [198.18.0.100/24]',
        'virtual_addresses: [198.18.0.100/24], virtual_routes: [{ to: 198.19.0.0/16, via: "fd00::1" }]',
      ],
    ],
    found: [
      '4:138: vrrp.instances[0].virtual_routes[0].via: fd00::1 is of the other family than the network; write a gateway of the same',
    ],
  },
  {
    change: [
      [
        'virtual_addresses: [198.18.0.100/24]',
        'virtual_addresses: [198.18.0.100/24], virtual_routes: [{ to: 198.19.0.0/16, via: 198.18.0.100 }]',
      ],
    ],
    found: [
      '4:138: vrrp.instances[0].virtual_routes[0].via: 198.18.0.100 is a virtual address of this instance; write the gateway of the network',
    ],
  },
  {
    change: [
      ['virtual_addresses: [198.18.0.100/24]', 'virtual_addresses: [198.18.0.100/24], garp_master_refresh: 1ms'],
    ],
    found: [
      '4:116: vrrp.instances[0].garp_master_refresh: found "1ms"; write 0s (not at all), or 1s and more: it floods the network',
    ],
  },
  {
    change: [
      ['virtual_addresses: [198.18.0.100/24]', 'virtual_addresses: [198.18.0.100/24], advertisement_interval: 300s'],
    ],
    found: ['4:119: vrrp.instances[0].advertisement_interval: found "300s"; allowed are 10ms to 255s'],
  },
  {
    change: [
      ['virtual_addresses: [198.18.0.100/24]', 'virtual_addresses: [198.18.0.100/24], track: { interfaces: [eth7] }'],
    ],
    found: [
      'warning 4:117: vrrp.instances[0].track.interfaces[0]: this host has no interface eth7; did you mean eth0?',
    ],
  },
  {
    change: [
      [
        'virtual_addresses: [198.18.0.100/24] }',
        'virtual_addresses: [198.18.0.100/24] }\n    - { name: W, interface: eth1, virtual_router_id: 2, virtual_addresses: [198.18.1.100/24] }',
      ],
    ],
    found: [
      'warning 5:76: vrrp.instances[1].virtual_addresses: no listener is bound to an address of this instance: clients of it reach nothing of this balancer',
    ],
  },
  {
    change: [
      [
        'virtual_addresses: [198.18.0.100/24] }',
        'virtual_addresses: [198.18.0.100/24] }\n    - { name: W, interface: eth0, virtual_router_id: 1, virtual_addresses: [198.18.1.100/24] }',
      ],
    ],
    found: [
      '5:54: vrrp.instances[1].virtual_router_id: another instance has the same virtual_router_id on the same interface; choose another number',
    ],
  },
  {
    change: [
      ['virtual_addresses: [198.18.0.100/24]', 'version: 3, virtual_addresses: ["fe80::1/64"]'],
      [
        '- { name: V',
        '- { name: W, interface: eth1, virtual_router_id: 1, version: 3, virtual_addresses: ["fe80::1/64"] }\n    - { name: V',
      ],
    ],
    found: [
      'warning 8:11: listeners[0].bind: 198.18.0.100 is no virtual address and no address of this host: nobody reaches it until somebody adds it',
    ],
  },
  {
    change: [
      [
        'virtual_addresses: [198.18.0.100/24]',
        'version: 3, virtual_addresses: ["fe80::1/64", { address: "fe80::1", dev: eth0 }]',
      ],
    ],
    found: ['4:103: vrrp.instances[0].virtual_addresses[1]: fe80::1 is a virtual address already; each stands once'],
  },
  {
    change: [
      [
        'virtual_addresses: [198.18.0.100/24]',
        'virtual_addresses: [198.18.0.100/24], authentication: { type: pass, password:hunter2 }',
      ],
    ],
    found: [
      '4:111: vrrp.instances[0].authentication: write either password_file or password',
      '4:125: vrrp.instances[0].authentication.password: unknown key; write password: with a space behind the colon',
    ],
  },
  {
    change: [['virtual_addresses: [198.18.0.100/24]', 'virtual_addresses: [198.18.0.100/24], authentication: hunter2']],
    found: ['4:111: vrrp.instances[0].authentication: found (not shown); a mapping (key: value) is needed'],
  },
  {
    change: [
      [
        'virtual_addresses: [198.18.0.100/24]',
        'virtual_addresses: [198.18.0.100/24], authentication: { type: pass, password: !hunter2 x }',
      ],
    ],
    found: [
      '4:135: (YAML): a value beginning with ! is taken for a tag, and there is no such tag; put the value in quotes',
    ],
  },
  {
    change: [['name: V', '"\\e[31mx": V']],
    found: [
      '4:7: vrrp.instances[0].name: missing; a text is needed',
      '4:9: vrrp.instances[0].?: unknown key; known here: name, interface, virtual_router_id, version, priority, advertisement_interval, preempt, preempt_delay, virtual_addresses, virtual_addresses_excluded, virtual_routes, virtual_mac, unicast, authentication, checksum_with_ipv4_pseudoheader, garp_master_repeat, garp_master_delay, garp_master_refresh, garp_master_refresh_repeat, track, notify, peer',
    ],
  },
]

t.test(
  'addresses that cannot work are errors and those that hardly can warnings, each with its place and what to do',
  (t) => testRows(t, rows),
)
