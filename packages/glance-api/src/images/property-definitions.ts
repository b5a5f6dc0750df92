import {
  invalidRequest,
  type AppliedMetadefProperty,
  type ImageProperty,
  type JsonObject,
} from '@glance/common';
import type { CallContext, Registry } from '@glance/registry-client';

/** The resource type that images have in the catalogue of metadata definitions. */
const IMAGE_TYPE = 'OS::Glance::Image';

const TRUTH_VALUES: ReadonlySet<string> = new Set([
  '1',
  't',
  'true',
  'on',
  'y',
  'yes',
  '0',
  'f',
  'false',
  'off',
  'n',
  'no',
]);
const LONGEST_SHOWN = 100;

/**
 * Checks custom properties against the metadata definitions that the caller sees, where a site wants
 * that (`[DEFAULT] validate_image_properties`). A property that nobody defines may be anything; of
 * several definitions it has to match one.
 */
export class PropertyDefinitions {
  constructor(
    private readonly registry: Registry,
    private readonly isEnabled: boolean,
  ) {}

  /** @throws DomainError `invalid_request` that names property, namespace and what is accepted */
  async check(properties: readonly ImageProperty[], context: CallContext): Promise<void> {
    if (!this.isEnabled || properties.length === 0) return;
    const { metadefs } = this.registry;
    const definitions = await metadefs.listAppliedProperties(IMAGE_TYPE, context);
    for (const [name, value] of properties) {
      if (value !== null) checkValue(name, value, definitions);
    }
  }
}

function checkValue(
  name: string,
  value: string,
  definitions: readonly AppliedMetadefProperty[],
): void {
  const refusals: string[] = [];
  for (const { namespace, name: defined, schema } of definitions) {
    if (defined !== name) continue;
    const wanted = whatIsWanted(schema, value);
    if (wanted === undefined) return;
    refusals.push(`namespace ${namespace} accepts ${wanted}`);
  }
  if (refusals.length === 0) return;
  const shown = value.length > LONGEST_SHOWN ? `${value.slice(0, LONGEST_SHOWN)}…` : value;
  throw invalidRequest(`Property '${name}' cannot be '${shown}': ${refusals.join('; ')}.`);
}

/** @returns what the definition accepts, unless it accepts the text that is the property's value */
function whatIsWanted(definition: JsonObject, value: string): string | undefined {
  switch (definition['type']) {
    case 'integer':
    case 'number':
      return numberWanted(definition, value);
    case 'boolean':
      return TRUTH_VALUES.has(value.trim().toLowerCase()) ? undefined : 'true or false';
    case 'array':
      return listWanted(definition, value);
    case 'object':
      return isJsonObject(value) ? undefined : 'a JSON object';
    default:
      return textWanted(definition, value);
  }
}

function numberWanted(definition: JsonObject, value: string): string | undefined {
  const isWhole = definition['type'] === 'integer';
  const number = Number(value);
  const pattern = isWhole ? /^\s*[+-]?\d+\s*$/ : /^\s*[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?\s*$/i;
  const lowest = numberOf(definition['minimum']) ?? -Infinity;
  const highest = numberOf(definition['maximum']) ?? Infinity;
  if (pattern.test(value) && number >= lowest && number <= highest) return undefined;
  return `${isWhole ? 'whole numbers' : 'numbers'}${bounds(lowest, highest)}`;
}

function textWanted(definition: JsonObject, value: string): string | undefined {
  const choices = choicesOf(definition['enum']);
  if (choices !== undefined) {
    return choices.includes(value) ? undefined : choices.join(', ');
  }
  const shortest = numberOf(definition['minLength']) ?? 0;
  const longest = numberOf(definition['maxLength']) ?? Infinity;
  const { length } = Array.from(value);
  if (length < shortest || length > longest) {
    return `texts of a length${bounds(shortest, longest)}`;
  }
  const pattern = patternOf(definition['pattern']);
  return pattern === undefined || pattern.test(value)
    ? undefined
    : `texts that match ${pattern.source}`;
}

/** Elements with commas between, or a JSON array. */
function listWanted(definition: JsonObject, value: string): string | undefined {
  const elements = elementsOf(value);
  const { enum: choices } = (definition['items'] ?? {}) as { enum?: unknown };
  const known = choicesOf(choices);
  if (known !== undefined && !elements.every((each) => known.includes(each))) {
    return `lists of ${known.join(', ')}`;
  }
  const fewest = numberOf(definition['minItems']) ?? 0;
  const most = numberOf(definition['maxItems']) ?? Infinity;
  if (elements.length < fewest || elements.length > most) {
    return `lists with a number of elements${bounds(fewest, most)}`;
  }
  const areUnique = new Set(elements).size === elements.length;
  return definition['uniqueItems'] === true && !areUnique ? 'lists without repetition' : undefined;
}

function elementsOf(value: string): string[] {
  const parsed = parsedJson(value);
  if (Array.isArray(parsed)) return parsed.map(String);
  return value.trim() === '' ? [] : value.split(',').map((each) => each.trim());
}

function isJsonObject(value: string): boolean {
  const parsed = parsedJson(value);
  return typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed);
}

function parsedJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

function choicesOf(value: unknown): string[] | undefined {
  return Array.isArray(value) && value.length > 0 ? value.map(String) : undefined;
}

function numberOf(value: unknown): number | undefined {
  return typeof value === 'number' ? value : undefined;
}

/** What is no pattern asks for nothing: definitions are stored unread. */
function patternOf(value: unknown): RegExp | undefined {
  if (typeof value !== 'string') return undefined;
  try {
    return new RegExp(value);
  } catch {
    return undefined;
  }
}

function bounds(lowest: number, highest: number): string {
  if (lowest > -Infinity && highest < Infinity) return ` from ${lowest} to ${highest}`;
  if (highest < Infinity) return ` of at most ${highest}`;
  return lowest > -Infinity ? ` of at least ${lowest}` : '';
}
