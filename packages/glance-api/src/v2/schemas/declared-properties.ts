import { readFile } from 'node:fs/promises';
import { isDeepStrictEqual } from 'node:util';
import { describeError } from '@glance/common';
import { candidatePaths, firstFile } from '../../policy/find-option-file';
import {
  baseProperties,
  type DeclaredProperties,
  type ImageFormats,
  type JsonSchema,
} from './image-schema';
import { SchemaCheck } from './schema-check';

const FILE_NAME = 'schema-image.json';

const NONE: DeclaredProperties = { properties: {}, required: [] };

/**
 * Reads what the deployment's schema-image.json declares; none without such a file.
 * @throws Error that names file and entry, for a file that cannot be used.
 */
export async function readDeclaredProperties(
  directories: readonly string[],
  formats: ImageFormats,
): Promise<DeclaredProperties> {
  const file = await firstFile(candidatePaths(FILE_NAME, directories));
  if (file === undefined) return NONE;
  let document: unknown;
  try {
    document = JSON.parse(await readFile(file, 'utf8'));
  } catch (error) {
    throw new Error(`${file}: ${describeError(error)}`, { cause: error });
  }
  if (!isObject(document)) throw new Error(`${file}: it must be a JSON object`);
  return declaredIn(document, file, formats);
}

/** The flat form, or the extended one with `properties` and `required`. */
function declaredIn(
  document: Record<string, unknown>,
  file: string,
  formats: ImageFormats,
): DeclaredProperties {
  const isExtended = isObject(document['properties']) && !('type' in document['properties']);
  const entries = isExtended ? (document['properties'] as Record<string, unknown>) : document;
  const base = baseProperties(formats);
  const properties: Record<string, JsonSchema> = {};
  for (const [name, schema] of Object.entries(entries)) {
    if (!isObject(schema)) throw new Error(`${file}: '${name}' has no JSON schema`);
    if (Object.hasOwn(base, name)) {
      if (isDeepStrictEqual(base[name], schema)) continue;
      throw new Error(`${file}: '${name}' is a property of every image and cannot be redefined`);
    }
    checkSchema(schema, `${file}: '${name}'`);
    properties[name] = { ...schema, is_base: false };
  }
  const required = isExtended ? (document['required'] ?? []) : [];
  if (!Array.isArray(required) || !required.every((each) => typeof each === 'string')) {
    throw new Error(`${file}: 'required' must be a list of names`);
  }
  return { properties, required };
}

/** @throws Error that begins with `origin`, for what is no JSON schema. */
function checkSchema(schema: JsonSchema, origin: string): void {
  try {
    new SchemaCheck(schema);
  } catch (error) {
    throw new Error(`${origin} has no valid JSON schema: ${describeError(error)}`, {
      cause: error,
    });
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
