// The program nft: rules of nftables, in one transaction. The only file that starts it.

import { type Answer, runProgram } from './run-program.ts'

const found = 'nftables'

/** Has nft read commands: all of them come into force, or none. */
export const applyRules = (commands: string): Promise<Answer> =>
  runProgram('nft', ['-f', '-'], { input: commands, found })

/** What is in a table of the family inet, as JSON (libnftables-json(5)); empty where there is none. */
export const listTable = async (name: string): Promise<Answer> => {
  const answer = await runProgram('nft', ['-j', 'list', 'table', 'inet', name], { found })
  const isMissing = !answer.ok && answer.text.includes('No such file or directory')
  return isMissing ? { ok: true, value: '' } : answer
}

/** The names of all chains, by family and table, as nft lists them for people. */
export const listChains = (): Promise<Answer> => runProgram('nft', ['list', 'chains'], { found })
