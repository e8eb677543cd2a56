// All stories, each of one rule: what the transcripts are made of.

import { conflicts } from './conflict-stories.ts'
import { elections } from './election-stories.ts'
import { handovers } from './handover-stories.ts'
import type { Story } from './story.ts'

export const stories: readonly Story[] = [...elections, ...conflicts, ...handovers]
