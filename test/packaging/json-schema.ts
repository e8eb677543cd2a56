// The JSON schemas. That of a configuration file is for editors: the shape from zod, the words from the man page. It is looser
// than the daemon, which reads addresses and knows rules over several keys, and never stricter. Those of what the daemons say
// are for who reads it: shape and words from zod.

import { z } from 'zod'
import { agentSchema } from '../../agent/config/schema.ts'
import { statusJsonSchema } from '../../balancer/admin/core/model/status-json-schema.ts'
import { balancerSchema } from '../../balancer/config/schema.ts'
import { shortOf } from '../../balancer/config/shapes.ts'
import { healthReportSchema } from '../../shared/health-report.ts'
import { describedKeys, packaged } from './keys.ts'

type Node = z.core.JSONSchema.BaseSchema

/** The files below packaging/ and what stands in them. */
export const jsonSchemas = (): ReadonlyMap<string, Node> =>
  new Map([
    ['schema/agent.schema.json', jsonSchemaOf(agentSchema, 'man/mysqlchk-agent.yaml.5')],
    ['schema/balancer.schema.json', jsonSchemaOf(balancerSchema, 'man/balancer.yaml.5')],
    ['schema/balancer-status.schema.json', statusJsonSchema()],
    ['schema/health-report.schema.json', healthReportJsonSchema()],
  ])

const jsonSchemaOf = (schema: z.ZodType, page: string): Node => {
  const made = toJson(schema)
  describe(made, describedKeys(packaged(page)), [])
  return made
}

/** What `/status` of an agent says. Members that it does not name may be there: those of later versions. */
const healthReportJsonSchema = (): Node => ({
  title: 'Health report of mysqlchk-agent',
  ...z.toJSONSchema(healthReportSchema, { io: 'input' }),
})

// Draft 7 is what the editors' YAML server knows best.
const toJson = (schema: z.core.$ZodType): Node =>
  z.toJSONSchema(schema, {
    target: 'draft-7',
    io: 'input',
    unrepresentable: 'any',
    override: ({ zodSchema, jsonSchema }) => {
      const short = shortOf(zodSchema)
      if (short !== undefined) {
        const full = { ...jsonSchema }
        for (const key of Object.keys(jsonSchema)) delete jsonSchema[key]
        const { $schema: _, ...alone } = toJson(short)
        jsonSchema.anyOf = [alone, full]
      }
      // What may be a URL here is more than what the format takes: blanks around it, letters of any language.
      if (jsonSchema.format === 'uri') {
        delete jsonSchema.format
        jsonSchema.pattern = '^\\s*[Hh][Tt][Tt][Pp][Ss]?:'
      }
    },
  })

const describe = (schema: Node, words: ReadonlyMap<string, string>, above: readonly string[]): void => {
  const { items, anyOf = [], oneOf = [], properties = {} } = schema
  for (const part of [...anyOf, ...oneOf, items]) {
    if (isNode(part)) describe(part, words, above)
  }
  for (const [key, value] of Object.entries(properties)) {
    if (!isNode(value)) continue
    const path = [...above, key]
    const text = words.get(path.join('.'))
    if (text !== undefined) value.description = text
    describe(value, words, path)
  }
}

const isNode = (part: unknown): part is Node => typeof part === 'object' && part !== null && !Array.isArray(part)
