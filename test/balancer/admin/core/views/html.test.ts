import fc from 'fast-check'
import t from 'tap'
import { html } from '../../../../../balancer/admin/core/views/html.ts'

t.test('text is escaped, markup of the template is not, lists are their parts, null is nothing', async (t) => {
  t.equal(html`<a href="${'"x"'}">${"'&'"}</a>`.text, '<a href="&quot;x&quot;">&#39;&amp;&#39;</a>')
  t.equal(html`<p>${html`<b>${'<'}</b>`}${['a', 1, html`<i>`, [null, '>']]}</p>`.text, '<p><b>&lt;</b>a1<i>&gt;</p>')
})

t.test('whatever is put in can end neither an element nor an attribute', async () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      const inside = html`${text}`.text
      if (/[<>"']/.test(inside)) return false
      const back = inside
        .replaceAll('&lt;', '<')
        .replaceAll('&gt;', '>')
        .replaceAll('&quot;', '"')
        .replaceAll('&#39;', "'")
        .replaceAll('&amp;', '&')
      return back === text
    }),
  )
})
