// What both daemons' metrics are, as tables for people: made from the metrics themselves.

import { createMetrics } from '../../balancer/admin/http/metrics.ts'
import { fullMetrics } from '../agent/metrics-sample.ts'
import { eventful, statusAfter } from '../balancer/admin/core/model/status-scenes.ts'

/** A metric as Prometheus is told of it; `labels` of its first sample. */
type Metric = {
  readonly name: string
  readonly type: string
  readonly labels: readonly string[]
  readonly help: string
}

/** The process itself, its memory and its loop: the same of every program with Node.js. */
const ofNode = /^(?:balancer_director|mysqlchk)_(?:process|nodejs)_/

const metricsIn = (text: string): readonly Metric[] =>
  [...text.matchAll(/^# HELP (\S+) (.*)\n# TYPE \S+ (\S+)\n(?:\1\S*?(?:\{(.*?)\})? )?/gm)]
    .map(([, name = '', help = '', type = '', labels = '']) => {
      const names = [...labels.matchAll(/(\w+)="/g)].map(([, label = '']) => label)
      return { name, type, help, labels: names.filter((label) => label !== 'le') }
    })
    .filter(({ name }) => !ofNode.test(name))

const documentOf = (daemon: string, path: string, prefix: string, text: string): string => `# Metrics of ${daemon}

\`${path}\` of ${daemon}, without what Node.js tells of every process (\`${prefix}process_*\`, \`${prefix}nodejs_*\`). A number that is not
known, or does not exist there, has no sample. Made by \`npm run schema\` from the metrics themselves.

| metric | type | labels | meaning |
| --- | --- | --- | --- |
${metricsIn(text)
  .map(({ name, type, labels, help }) => `| \`${name}\` | ${type} | ${labels.join(', ')} | ${help} |`)
  .join('\n')}
`

/** The documents: each file in the repository with its text. */
export const metricsDocs = async (): Promise<readonly (readonly [file: string, text: string])[]> => {
  const { text } = await createMetrics()(statusAfter(eventful), new Set())
  return [
    ['balancer/METRICS.md', documentOf('balancer', '/metrics', 'balancer_director_', text)],
    ['agent/METRICS.md', documentOf('mysqlchk-agent', '/metrics', 'mysqlchk_', await fullMetrics())],
  ]
}
