// Servers that pass their checks and answer no clients: a firewall there that lets the balancers in and nobody else. What
// servers answer does not pass a balancer, so it shows in what clients do not say next.

/** What was counted until `at` (a moment of one clock): connections that began, and those that were asked for and not completed. */
export type Counted = { readonly at: number; readonly begun: number; readonly failed: number }

const window = 60_000
const fewest = 2
const share = 0.1

/** The history with one count more; as much of it as a finding is made of. */
export const counted = (history: readonly Counted[], now: Counted): readonly Counted[] => {
  const first = history[0]
  // Counts that fell are those of another process or another server.
  if (first === undefined || now.begun < first.begun || now.failed < first.failed) return [now]
  const recent = [...history, now]
  const oldest = recent.findLastIndex(({ at }) => at <= now.at - window)
  return oldest <= 0 ? recent : recent.slice(oldest)
}

/** What is to be said of a server with that history; null where nothing is. `port`: that of the server, for clients. */
export const unanswered = (history: readonly Counted[], server: string, port: number): string | null => {
  const [first, last] = [history[0], history.at(-1)]
  if (first === undefined || last === undefined) return null
  const failed = last.failed - first.failed
  const asked = failed + last.begun - first.begun
  if (failed < fewest || failed < share * asked) return null
  return (
    `${failed} of ${asked} connections to ${server} in the last minute got no answer, and it passes its checks: ` +
    `a firewall there may let in the balancers alone; it has to let in clients on port ${port} (see there: nft list ruleset, iptables -S)`
  )
}
