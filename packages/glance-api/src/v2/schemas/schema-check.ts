import { invalidRequest } from '@glance/common';
import Ajv, { type ErrorObject, type ValidateFunction } from 'ajv';
import type { JsonSchema } from './image-schema';

/** Checks values against a published schema. */
export class SchemaCheck {
  private readonly validate: ValidateFunction;

  /** @throws Error for a schema that is none. */
  constructor(schema: JsonSchema) {
    // Published schemas carry words of their own (name, links, is_base), which mean nothing here.
    const ajv = new Ajv({ strict: false, allErrors: false });
    this.validate = ajv.compile({ type: 'object', ...schema });
    this.name = String(schema['name']);
  }

  private readonly name: string;

  /** @throws DomainError `invalid_request` that names the first place at fault. */
  check(value: unknown): void {
    if (this.validate(value)) return;
    const [error] = this.validate.errors ?? [];
    throw invalidRequest(
      `Provided object does not match schema '${this.name}': ${error ? explain(error) : 'it is invalid'}`,
    );
  }
}

function explain({ instancePath, message, params, keyword }: ErrorObject): string {
  const place = instancePath === '' ? 'the object' : `'${instancePath.slice(1)}'`;
  const allowed: unknown = keyword === 'enum' ? params['allowedValues'] : undefined;
  return `${place} ${message ?? 'is invalid'}${allowed === undefined ? '' : `: ${JSON.stringify(allowed)}`}`;
}
