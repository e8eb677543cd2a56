// What a firewall on this host has to let in, and the command for those that are known by their chains.

/** TCP ports: those that clients come to behind a redirection, and the agent's own. */
export type Doors = { readonly servers: readonly number[]; readonly agent: number }

/** Lines for the operator; `chains` is what `nft list chains` says, empty where it says nothing. */
export const firewallLines = (chains: string, { servers, agent }: Doors): readonly string[] => {
  const ports = [...new Set([...servers, agent])]
  const own = [...new Set(servers)].join(' and ')
  const needed = `A firewall on this host has to let in TCP port ${own} from everywhere that clients are, and ${agent} from the balancers.`
  const opened = ports.map((port) => `--add-port=${port}/tcp`).join(' ')
  return [
    needed,
    ...(chains.includes('table inet firewalld {')
      ? [`firewalld runs here: firewall-cmd --permanent ${opened} && firewall-cmd --reload`]
      : []),
    ...(chains.includes('chain ufw-before-input {')
      ? [`ufw runs here: ${ports.map((port) => `ufw allow ${port}/tcp`).join(' && ')}`]
      : []),
  ]
}
