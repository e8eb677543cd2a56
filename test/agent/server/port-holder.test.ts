import t from 'tap'
import { portsOfSocket, portsOfXinetd } from '../../../agent/server/port-holder.ts'

t.test('xinetd has the port of its file, or the one that its name stands for', async (t) => {
  const services = 'ssh 22/tcp\nmysqlchk\t9222/tcp # check\nmysqlchk 9/udp\n'
  const service = (...lines: readonly string[]): string => `# x\nservice mysqlchk\n{\n  ${lines.join('\n  ')}\n}\n`
  t.same(portsOfXinetd(service('port = 9223', 'disable = no'), services), [9223])
  t.same(portsOfXinetd(service('socket_type = stream'), services), [9222])
  t.same(portsOfXinetd(service('socket_type = stream'), ''), [])
  t.same(portsOfXinetd(service('port = 9222', 'disable\t=\tyes'), services), [])
  t.same(portsOfXinetd(service('port = 1') + service('port=2').replace('mysqlchk', 'x'), services), [1, 2])
})

t.test('a socket unit has the ports of its streams', async (t) => {
  const unit =
    '[Socket]\nListenStream=9222\nListenStream = 10.0.0.1:9223\nListenStream=[::]:9224\nListenStream=/run/x\n'
  t.same(portsOfSocket(`${unit}ListenDatagram=53\n`), [9222, 9223, 9224])
})
