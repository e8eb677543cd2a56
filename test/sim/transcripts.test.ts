import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { stories } from './stories.ts'
import { tell } from './story.ts'

// The transcripts stand beside the sources, not beside what was built from them.
const directory = fileURLToPath(new URL('../../../test/sim/transcripts/', import.meta.url))
const isUpdate = process.env['UPDATE_TRANSCRIPTS'] !== undefined

t.test('each rule has its transcript, and the state machine tells it still so', async (t) => {
  for (const story of stories) {
    const told = tell(story)
    const file = `${directory}${story.name}.txt`
    if (isUpdate) writeFileSync(file, told)
    t.equal(readFileSync(file, 'utf8'), told, `${story.name}; if it should change: UPDATE_TRANSCRIPTS=1 npx tap FILE`)
  }
  t.same(
    readdirSync(directory).sort(),
    stories.map(({ name }) => `${name}.txt`).sort(),
    'no transcript is without its story',
  )
})
