import t from 'tap'
import { answerText, connectionText } from '../../../../balancer/notify/core/webhook-words.ts'

t.test('an answer that helps nobody says what to do', async (t) => {
  t.equal(answerText(200), 'answered 200')
  t.equal(answerText(500), 'answered 500')
  for (const status of [301, 302, 307, 308]) {
    t.equal(answerText(status), `answered ${status}: a redirection is not followed; write the address that it leads to`)
  }
  t.match(answerText(401), 'header_files')
})

t.test('why there is no connection is said in words, with the code for who searches for it', async (t) => {
  t.equal(connectionText('ECONNREFUSED'), 'no connection: ECONNREFUSED, nothing listens there')
  t.equal(connectionText('CERT_HAS_EXPIRED'), 'no connection: CERT_HAS_EXPIRED, its certificate is not accepted')
  t.equal(connectionText('EUNKNOWN'), 'no connection: EUNKNOWN')
})
