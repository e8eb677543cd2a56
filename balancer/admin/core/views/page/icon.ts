// The sign of the tab: a disc, a triangle or a cross, so that a tab tells without being looked into.

import type { Mood } from './verdict.ts'

const shapes: Readonly<Record<Mood, string>> = {
  well: "<circle cx='8' cy='8' r='7' fill='%231a7f37'/><path d='M4 8l3 3 5-6' fill='none' stroke='white' stroke-width='2'/>",
  attention: "<path d='M8 1l7 14H1z' fill='%23bf8700'/>",
  trouble:
    "<rect width='16' height='16' fill='%23cf222e'/><path d='M4 4l8 8M12 4l-8 8' stroke='white' stroke-width='2'/>",
}

/** Its address: a picture in itself. */
export const icon = (mood: Mood): string =>
  `data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'>${shapes[mood]}</svg>`
