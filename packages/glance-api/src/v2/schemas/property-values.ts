import type { DeclaredProperties } from './image-schema';
import { SchemaCheck } from './schema-check';

/**
 * What stored properties, which are texts, are in answers: texts, too, unless schema-image.json
 * declares another type. Then they are of that type again, so that answers match the published
 * schema.
 */
export class PropertyValues {
  private readonly typed = new Map<string, SchemaCheck>();
  private readonly nullable = new Set<string>();

  constructor({ properties }: DeclaredProperties) {
    for (const [name, schema] of Object.entries(properties)) {
      const types = [schema['type']].flat();
      if (types.includes('null')) this.nullable.add(name);
      if (!types.includes('string')) this.typed.set(name, new SchemaCheck(schema));
    }
  }

  /** A null that the schema does not allow is one that another release left behind (sheet 2.2). */
  valueOf(name: string, stored: string | null): unknown {
    if (stored === null) return this.nullable.has(name) ? null : '';
    const schema = this.typed.get(name);
    if (schema === undefined) return stored;
    const value = parsed(stored);
    // Stored before it was declared, or by API v1: told as it is.
    return schema.matches(value) ? value : stored;
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}
