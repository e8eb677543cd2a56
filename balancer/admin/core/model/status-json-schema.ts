// The published form of the status document: a JSON schema for those who read it.

import * as z from 'zod'
import { statusSchema } from './status-schema.ts'

/** The JSON schema, draft 2020-12. Objects may have members that it does not name: those of later versions. */
export const statusJsonSchema = (): z.core.JSONSchema.BaseSchema => {
  const { $schema, ...rest } = z.toJSONSchema(statusSchema, {
    io: 'input',
    override: ({ jsonSchema }) => {
      if (jsonSchema.maximum === Number.MAX_SAFE_INTEGER) delete jsonSchema.maximum
    },
  })
  return { ...($schema === undefined ? {} : { $schema }), title: 'Status of mysql-balancer', ...rest }
}
