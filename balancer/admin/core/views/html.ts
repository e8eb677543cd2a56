// Markup that escapes itself: whatever is put into the template `html` is text, unless it is markup of this template.

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}
const special = /[&<>"']/g

/** HTML. Only `html` and `ownText` make it. */
class Markup {
  readonly text: string
  constructor(text: string) {
    this.text = text
  }
}

/** See `html`; `text` is what goes to the browser. */
export type Html = Markup

/** What may stand in a template: text and numbers are escaped, null is nothing, a list is its parts one after another. */
export type Content = Html | string | number | null | readonly Content[]

/** A tagged template of HTML; good inside elements and inside quoted attributes. */
export const html = (strings: TemplateStringsArray, ...contents: readonly Content[]): Html => {
  let text = strings[0] ?? ''
  for (const [i, content] of contents.entries()) text += textOf(content) + (strings[i + 1] ?? '')
  return new Markup(text)
}

/** A style sheet or a script of this program, as it is. Never for anything that came from outside. */
export const ownText = (text: string): Html => new Markup(text)

const textOf = (content: Content): string => {
  if (content === null) return ''
  if (content instanceof Markup) return content.text
  if (typeof content === 'number') return `${content}`
  if (typeof content === 'string') return content.replace(special, (one) => entities[one] ?? '')
  let text = ''
  for (const one of content) text += textOf(one)
  return text
}
