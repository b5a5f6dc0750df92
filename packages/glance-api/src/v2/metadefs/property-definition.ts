import { invalidRequest, isPrototypeName, type JsonObject } from '@glance/common';

const INTEGERS: ReadonlySet<string> = new Set([
  'minimum',
  'maximum',
  'minLength',
  'maxLength',
  'minItems',
  'maxItems',
]);

/**
 * A property definition as API v2 shows and stores it (metadefs sheet §5): numbers and booleans as
 * default are texts, as Python writes them, and limits are whole numbers. What else a definition
 * says, such as one that was loaded from a file, stays.
 */
export function definitionView(definition: JsonObject): JsonObject {
  const entries = Object.entries(definition)
    .filter(([, value]) => value !== null)
    .map(([key, value]): [string, unknown] => {
      if (INTEGERS.has(key) && typeof value === 'number') return [key, Math.trunc(value)];
      return [key, key === 'default' ? defaultText(value) : value];
    });
  return Object.fromEntries(entries);
}

/** @throws DomainError `invalid_request` for choices that are no texts, and names no property has */
export function checkDefinition(name: string, definition: JsonObject): void {
  checkName(name);
  const { items } = definition as { items?: { enum?: unknown } };
  for (const [place, choices] of [
    ['enum', definition['enum']],
    ['items.enum', items?.enum],
  ]) {
    if (Array.isArray(choices) && !choices.every((each) => typeof each === 'string')) {
      throw invalidRequest(`The '${String(place)}' of property '${name}' must hold texts.`);
    }
  }
}

/** @throws DomainError `invalid_request` */
export function checkName(name: string): void {
  if (name === '') throw invalidRequest('A name must not be empty.');
  if (isPrototypeName(name)) throw invalidRequest(`The name '${name}' is not allowed.`);
}

/** By name, as a namespace or an object holds them. */
export function definitionsView(properties: JsonObject): JsonObject {
  return Object.fromEntries(
    Object.entries(properties).map(([name, each]) => [name, definitionView(each as JsonObject)]),
  );
}

function defaultText(value: unknown): unknown {
  if (typeof value === 'boolean') return value ? 'True' : 'False';
  return typeof value === 'number' ? String(value) : value;
}
