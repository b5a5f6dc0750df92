import { TASK_TYPES, invalidRequest, isCanonicalUuid, type TaskType } from '@glance/common';

type Fields = Record<string, unknown>;

export interface ImportTask {
  type: 'import';
  /** Unchecked. */
  uri: string;
  imageProperties: Fields;
  input: Fields;
}

export interface CloneTask {
  type: 'clone';
  imageId: string;
  /** Over those of the image that is cloned. */
  imageProperties: Fields;
  /** The default one unless set. */
  store: string | undefined;
  input: Fields;
}

export interface ExportTask {
  type: 'export';
  imageId: string;
  input: Fields;
}

export type TaskRequest = ImportTask | CloneTask | ExportTask;

/**
 * The body of `POST /v2/tasks` (tasks sheet §1, §3; `clone` and `export` are our own, as no release of
 * upstream has them).
 * @throws DomainError `invalid_request`
 */
export function parseTaskRequest(body: unknown): TaskRequest {
  if (!isObject(body)) throw invalidRequest('Expected a JSON object as body');
  for (const name of ['type', 'input']) {
    if (body[name] === undefined) throw invalidRequest(`Task '${name}' is required`);
  }
  const { type, input, ...others } = body;
  const [other] = Object.keys(others);
  if (other !== undefined) throw invalidRequest(`A task has no '${other.slice(0, 60)}' to be set`);
  if (!TASK_TYPES.some((known) => known === type)) {
    throw invalidRequest(`Tasks that can be made are of type ${TASK_TYPES.join(', ')}`);
  }
  if (!isObject(input)) throw invalidRequest("Task 'input' must be an object");
  return PARSERS[type as TaskType](input);
}

const PARSERS: Readonly<Record<TaskType, (input: Fields) => TaskRequest>> = {
  import: (input) => {
    for (const name of ['import_from', 'import_from_format', 'image_properties']) {
      if (input[name] === undefined) throw invalidRequest(`Input does not contain '${name}' field`);
    }
    const { import_from: uri, image_properties: imageProperties } = input;
    if (typeof uri !== 'string') throw invalidRequest("'import_from' must be a URL");
    return { type: 'import', uri, imageProperties: propertiesOf(imageProperties), input };
  },
  clone: (input) => {
    const { image_properties: imageProperties = {}, store } = input;
    if (store !== undefined && typeof store !== 'string') {
      throw invalidRequest("'store' must be the name of a store");
    }
    const imageId = imageIdOf(input);
    return { type: 'clone', imageId, imageProperties: propertiesOf(imageProperties), store, input };
  },
  export: (input) => ({ type: 'export', imageId: imageIdOf(input), input }),
};

function imageIdOf({ image_id: id }: Fields): string {
  if (id === undefined) throw invalidRequest("Input does not contain 'image_id' field");
  const canonical = typeof id === 'string' ? id.toLowerCase() : '';
  if (!isCanonicalUuid(canonical)) throw invalidRequest("'image_id' must be the UUID of an image");
  return canonical;
}

function propertiesOf(value: unknown): Fields {
  if (!isObject(value)) throw invalidRequest("'image_properties' must be an object");
  return value;
}

function isObject(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
