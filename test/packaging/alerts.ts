// What the alert rules and the dashboard of a daemon ask Prometheus for.

import { parse } from 'yaml'
import { z } from 'zod'
import { packaged } from './keys.ts'

const rulesSchema = z.object({
  groups: z.array(
    z.object({
      rules: z.array(
        z.object({
          alert: z.string(),
          expr: z.string(),
          for: z.string().optional(),
          annotations: z.object({ summary: z.string() }),
        }),
      ),
    }),
  ),
})

const boardSchema = z.object({
  panels: z.array(z.object({ targets: z.array(z.object({ expr: z.string() })) })),
  templating: z.object({ list: z.array(z.object({ query: z.string() })) }),
})

/** The expressions of both files, below packaging/. */
export const expressionsIn = (rules: string, dashboard: string): readonly string[] => {
  const alerts = rulesSchema.parse(parse(packaged(rules))).groups.flatMap((group) => group.rules)
  const { panels, templating } = boardSchema.parse(JSON.parse(packaged(dashboard)))
  return [
    ...[...alerts, ...panels.flatMap(({ targets }) => targets)].map(({ expr }) => expr),
    ...templating.list.map(({ query }) => query),
  ]
}

/** Names of metrics with this prefix that are asked for. */
export const metricsIn = (expression: string, prefix: string): readonly string[] => [
  ...new Set(expression.match(new RegExp(`\\b${prefix}_[a-z_]+`, 'g')) ?? []),
]

/** Names of metrics in Prometheus' text format. */
export const exportedIn = (text: string): ReadonlySet<string> =>
  new Set([...text.matchAll(/^([a-z_]+)(?:\{| )/gm)].map(([, name = '']) => name))
