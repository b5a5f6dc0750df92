import { invalidRequest } from '@glance/common';
import Ajv, { type ErrorObject, type ValidateFunction } from 'ajv';
import type { JsonSchema } from './image-schema';

/** Checks values against a published schema. */
export class SchemaCheck {
  private readonly validate: ValidateFunction;
  private readonly name: string;

  /** @throws Error for a schema that is none. */
  constructor(schema: JsonSchema) {
    const ajv = new Ajv({
      // Published schemas carry words of their own (name, links, is_base), which mean nothing here.
      strict: false,
      // As upstream's validator: formats are hints, and patterns need not be strict ones.
      validateFormats: false,
      unicodeRegExp: false,
    });
    this.validate = ajv.compile(schema);
    this.name = String(schema['name']);
  }

  matches(value: unknown): boolean {
    return this.validate(value);
  }

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
