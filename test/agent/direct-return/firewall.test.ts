// What `direct-return status` says of firewalls; firewalld 1.3 and ufw 0.36 name their chains so.

import t from 'tap'
import { firewallLines } from '../../../agent/direct-return/core/firewall.ts'

const doors = { servers: [3306, 3306], agent: 9222 }
const needed =
  'A firewall on this host has to let in TCP port 3306 from everywhere that clients are, and 9222 from the balancers.'

t.test('what has to come in is told in any case', async (t) => {
  t.same(firewallLines('', doors), [needed])
  t.match(firewallLines('', { ...doors, servers: [3306, 3307] }), [/TCP port 3306 and 3307 from everywhere/])
})

t.test('firewalld and ufw have a command of their own', async (t) => {
  const firewalld =
    'table inet firewalld {\n\tchain filter_INPUT {\n\t\ttype filter hook input priority filter + 10;\n\t}\n}\n'
  t.same(firewallLines(firewalld, doors), [
    needed,
    'firewalld runs here: firewall-cmd --permanent --add-port=3306/tcp --add-port=9222/tcp && firewall-cmd --reload',
  ])
  const ufw = 'table ip filter {\n\tchain ufw-before-input {\n\t}\n}\n'
  t.same(firewallLines(ufw, doors), [needed, 'ufw runs here: ufw allow 3306/tcp && ufw allow 9222/tcp'])
})
