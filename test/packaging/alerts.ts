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
          labels: z.record(z.string(), z.string()),
          annotations: z.record(z.string(), z.string()).refine(({ summary }) => summary !== undefined),
        }),
      ),
    }),
  ),
})

const boardSchema = z.object({
  panels: z.array(z.object({ targets: z.array(z.object({ expr: z.string() })) })),
  templating: z.object({ list: z.array(z.object({ query: z.string() })) }),
})

/** An alert of a rules file. */
export type AlertRule = z.output<typeof rulesSchema>['groups'][number]['rules'][number]

/** The alerts of a file below packaging/. */
export const alertsIn = (rules: string): readonly AlertRule[] =>
  rulesSchema.parse(parse(packaged(rules))).groups.flatMap((group) => group.rules)

/** The queries of a dashboard's panels. */
export const queriesIn = (dashboard: string): readonly string[] =>
  boardSchema.parse(JSON.parse(packaged(dashboard))).panels.flatMap(({ targets }) => targets.map(({ expr }) => expr))

/** The expressions of both files, below packaging/. */
export const expressionsIn = (rules: string, dashboard: string): readonly string[] => [
  ...alertsIn(rules).map(({ expr }) => expr),
  ...queriesIn(dashboard),
  ...boardSchema.parse(JSON.parse(packaged(dashboard))).templating.list.map(({ query }) => query),
]

/** Names of metrics with this prefix that are asked for. */
export const metricsIn = (expression: string, prefix: string): readonly string[] => [
  ...new Set(expression.match(new RegExp(`\\b${prefix}_[a-z_]+`, 'g')) ?? []),
]

/** Names of metrics in Prometheus' text format. */
export const exportedIn = (text: string): ReadonlySet<string> =>
  new Set([...text.matchAll(/^([a-z_]+)(?:\{| )/gm)].map(([, name = '']) => name))
