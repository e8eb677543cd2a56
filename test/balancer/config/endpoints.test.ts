import t from 'tap'
import { type Row, testRows } from './impossible.ts'

const bind = (text: string): Row['change'] => [['bind: 198.18.0.100:3306', `bind: ${text}`]]
const quoted = (text: string): string => `"${text}", with the quotes`
const refused = (found: string, text: string): string => `7:11: listeners[0].bind: found "${found}"; ${text}`
const oneLink = 'an address with its interface behind % is not taken: it is valid on one link only'
const forms = 'write an address and a port, such as 10.0.0.1:3306 or "[2001:db8::1]:3306"'
const otherwise = 'write an address of this host, a virtual one, or 0.0.0.0 or [::] for all'
const dual = '4:88: vrrp.instances[0].virtual_addresses'
const ipv6: Row['change'][number] = [
  'virtual_addresses: [198.18.0.100/24]',
  'version: 3, virtual_addresses: ["2001:db8::100/64"]',
]
const unused = 'no listener is bound to an address of this instance: clients of it reach nothing of this balancer'

const rows: readonly Row[] = [
  ...(
    [
      ['2001:db8::1:3306', `write ${quoted('[2001:db8::1]:3306')}`],
      [':::3306', `write ${quoted('[::]:3306')}`],
      ['2001:db8:0:0::1', `the port is missing; write it behind the address, such as ${quoted('[2001:db8::1]:3306')}`],
      ['::ffff:198.18.0.100:3306', 'write 198.18.0.100:3306'],
      ['*:3306', 'write 0.0.0.0:3306 for every IPv4 address, or "[::]:3306" for every address'],
      ['db1:3306', forms],
    ] as const
  ).map(([text, said]): Row => ({ change: bind(`"${text}"`), found: [refused(text, said)] })),
  ...(
    [
      ['[198.18.0.100]:3306', 'write 198.18.0.100:3306'],
      ['[::ffff:198.18.0.100]:3306', 'write 198.18.0.100:3306'],
      ['[2001:db8::1]', `the port is missing; write it behind the address, such as ${quoted('[2001:db8::1]:3306')}`],
      ['[fe80::1%eth0]:3306', `${oneLink}; write one without, such as "[2001:db8::1]:3306"`],
      ['[fe80::1]:3306', `fe80::1 is a link-local address, valid on one link only; ${otherwise}`],
      ['[ff02::1]:3306', `ff02::1 is a multicast address; ${otherwise}`],
      ['[2001:db8::1]:0', forms],
    ] as const
  ).map(([text, said]): Row => ({ change: bind(`"${text}"`), found: [refused(text, said)] })),
  // Without quotes it is a list for YAML.
  {
    change: bind('[2001:db8::1]:3306'),
    found: ['7:24: (YAML): a value that begins with [ is a list; put the address in quotes: "[2001:db8::1]:3306"'],
  },
  {
    change: [['address: 198.18.0.11:3306', 'address: [2001:db8::11]:3306']],
    found: ['9:45: (YAML): a value that begins with [ is a list; put the address in quotes: "[2001:db8::11]:3306"'],
  },
  {
    change: bind('[198.18.0.100:3306, [2001:db8::1]:3306]'),
    found: [`7:31: listeners[0].bind[1]: found "a mapping"; write ${quoted('[2001:db8::1]:3306')}`],
  },
  // Another text of the same address.
  { change: [ipv6, ...bind('"[2001:DB8:0::100]:3306"')], found: [] },
  { change: [ipv6, ...bind('"[::]:3306"')], found: [] },
  { change: [ipv6], found: [`warning ${dual}: ${unused}`, expectStray()] },
  { change: [ipv6, ...bind('0.0.0.0:3306')], found: [`warning ${dual}: ${unused}`] },
  {
    change: bind('["[::]:3306", 198.18.0.100:3306]'),
    found: [
      '7:25: listeners[0].bind[1]: found "198.18.0.100:3306"; [::]:3306 above has this address and port; choose another port',
    ],
  },
  { change: bind('[0.0.0.0:3306, "[2001:db8::100]:3307"]'), found: [expectStray('2001:db8::100', '7:26', 'bind[1]')] },
  {
    change: [ipv6, ...bind('"[2001:db8::100]:3306"'), ['198.18.0.11:3306', '"[2001:db8:0:0::100]:3306"']],
    found: [
      '4:89: vrrp.instances[0].virtual_addresses[0]: 2001:db8::100 is the address of server mysql/db1: its connections would come back to this host; give each its own',
      '9:31: listeners[0].servers[0].address: [2001:db8::100]:3306 is listener mysql of this balancer: connections would go round in a circle; write the address of the database',
    ],
  },
  {
    change: [
      ['198.18.0.11:3306', '"[2001:db8::11]:3306"'],
      ['198.18.0.12:3306', '"[2001:db8:0::11]:3306"'],
    ],
    found: [
      'warning 10:31: listeners[0].servers[1].address: [2001:db8::11]:3306 is a server of this listener already: one server counts and is checked as two',
    ],
  },
  {
    change: [['198.18.0.11:3306', '"[fe80::11]:3306"']],
    found: [
      '9:31: listeners[0].servers[0].address: found "[fe80::11]:3306"; fe80::11 is a link-local address, valid on one link only; write the address of the server',
    ],
  },
  {
    change: [
      ['bind: 198.18.0.100:3306', 'bind: 198.18.0.100:3306\n    datapath: kernel'],
      ['198.18.0.11:3306', '"[2001:db8::11]:3306"'],
    ],
    found: [
      '10:31: listeners[0].servers[0].address: datapath: kernel translates within one family of addresses, and this server lacks that of a bind; write servers and binds of one family in each listener, or write datapath: userspace',
    ],
  },
]

function expectStray(address = '198.18.0.100', at = '7:11', key = 'bind'): string {
  return `warning ${at}: listeners[0].${key}: ${address} is no virtual address and no address of this host: nobody reaches it until somebody adds it`
}

t.test('what is no endpoint is refused with the text to write, and endpoints are compared as addresses', async (t) => {
  await testRows(t, rows)
})
