// `npm run schema`: writes the JSON schemas of both configuration files, of the status and of the health report, and what the metrics are.

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { jsonSchemas } from './json-schema.ts'
import { root } from './keys.ts'
import { metricsDocs } from './metrics-docs.ts'

for (const [file, schema] of jsonSchemas()) {
  writeFileSync(join(root, 'packaging', file), `${JSON.stringify(schema, null, 2)}\n`)
}
for (const [file, text] of await metricsDocs()) writeFileSync(join(root, file), text)
