import Joi from 'joi';
import { DomainError } from '../errors';
import { MAX_INT32 } from '../image';
import type { ProjectLimits } from '../project-limits';
import { hasFourByteCharacter, isCanonicalUuid, isPrototypeName } from '../text';

/** Text that fits the 3-byte utf8 tables (schema sheet §1). */
export function text(maxLength: number): Joi.StringSchema {
  return Joi.string()
    .allow('')
    .max(maxLength)
    .custom((value: string, helpers) => {
      if (hasFourByteCharacter(value)) {
        return helpers.message({
          custom: "{{#label}} can't contain 4 byte unicode characters.",
        });
      }
      return value.includes('\0')
        ? helpers.message({ custom: '{{#label}} must not contain NUL characters' })
        : value;
    });
}

export const uuid = Joi.string().custom((value: string, helpers) =>
  isCanonicalUuid(value) ? value : helpers.message({ custom: '{{#label}} must be a UUID' }),
);
export const bytes = Joi.number().integer().min(0).max(Number.MAX_SAFE_INTEGER);
export const wireTime = Joi.string().pattern(/^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}$/, 'wire time');
/** A value of an SQL INT column that is not negative. */
export const int32 = Joi.number().integer().min(0).max(MAX_INT32);
/** The most of something; null for no limit. */
export const quota = Joi.number().integer().min(0).allow(null);

/** TEXT columns hold 65,535 bytes; three bytes a character at the most. */
const propertyValue = text(65_535).custom((value: string, helpers) =>
  Buffer.byteLength(value) > 65_535
    ? helpers.message({ custom: '{{#label}} is longer than 65535 bytes' })
    : value,
);
const propertyName = text(255)
  .invalid('')
  .custom((value: string, helpers) =>
    isPrototypeName(value)
      ? helpers.message({ custom: `Property name '${value}' is not allowed` })
      : value,
  );
export const imageProperty = Joi.array().ordered(
  propertyName.required(),
  propertyValue.allow(null).required(),
);

export const projectLimits = Joi.object<ProjectLimits>({
  imageSizeTotalBytes: bytes.allow(null),
  imageStageTotalBytes: bytes.allow(null),
  imageCountTotal: quota,
  imageCountUploading: quota,
});

/**
 * Checks a decoded body against a contract schema. Values are taken as they are (no conversion).
 * @throws DomainError `invalid_request` that names the first field at fault.
 */
export function checkAgainst<T>(schema: Joi.ObjectSchema<T>, value: unknown): T {
  const result = prepared(schema).validate(value);
  if (result.error) {
    throw new DomainError('invalid_request', result.error.message.replaceAll('"', "'"));
  }
  return result.value;
}

const preparedSchemas = new WeakMap<Joi.Schema, Joi.Schema>();

/** The schema with the rules of every check. Made once: joi copies the whole schema for it. */
function prepared<T>(schema: Joi.ObjectSchema<T>): Joi.ObjectSchema<T> {
  const known = preparedSchemas.get(schema) as Joi.ObjectSchema<T> | undefined;
  if (known) return known;
  const made = schema.required().prefs({ convert: false, abortEarly: true });
  preparedSchemas.set(schema, made);
  return made;
}
