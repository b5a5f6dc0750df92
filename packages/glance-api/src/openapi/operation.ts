import { HTTP_STATUS } from '@glance/service-kit';
import { EXPLANATIONS } from '../http/error-page';

type Json = Readonly<Record<string, unknown>>;
export type Method = 'get' | 'head' | 'post' | 'put' | 'patch' | 'delete';

export interface Parameter {
  name: string;
  in: 'query' | 'header' | 'path';
  description: string;
  schema?: Json;
  /** May be given more than once. */
  repeated?: boolean;
}

/** One method of one path, as the OpenAPI document tells of it. */
export interface Operation {
  summary: string;
  /** What it answers when it succeeds. */
  success: Readonly<Record<number, Answer>>;
  /** Beside those that every operation may answer. */
  refusals?: readonly number[];
  parameters?: readonly Parameter[];
  /** By media type. */
  body?: Readonly<Record<string, Json>>;
}

export interface Answer {
  description: string;
  /** Of JSON; a media type in its place for anything else; absent for no body. */
  body?: Json | string;
  headers?: Readonly<Record<string, string>>;
}

/** Path, then method. */
export type Operations = Readonly<Record<string, Readonly<Partial<Record<Method, Operation>>>>>;

/** Who asks, how much, and what stands behind the api: any operation may fail over these. */
export const COMMON_REFUSALS = [400, 401, 403, 404, 414, 429, 431, 500, 503] as const;

export const DATA = 'application/octet-stream';
export const BINARY: Json = { type: 'string', format: 'binary' };
export const TEXT: Json = { type: 'string' };
export const INTEGER: Json = { type: 'integer' };

export const ref = (name: string): Json => ({ $ref: `#/components/schemas/${name}` });
export const listOf = (items: Json): Json => ({ type: 'array', items });
export const object = (properties: Json, required?: readonly string[]): Json => ({
  type: 'object',
  properties,
  ...(required ? { required } : {}),
});

export const EMPTY = (description: string): Answer => ({ description });
export const json = (description: string, body: Json): Answer => ({ description, body });

export const query = (name: string, description: string, schema: Json = TEXT): Parameter => ({
  name,
  in: 'query',
  description,
  schema,
});
export const header = (name: string, description: string, schema: Json = TEXT): Parameter => ({
  name,
  in: 'header',
  description,
  schema,
});

/** Every status that an operation may answer. */
export function statusesOf({ success, refusals = [] }: Operation): number[] {
  const all = new Set([...Object.keys(success).map(Number), ...refusals, ...COMMON_REFUSALS]);
  return [...all].sort((a, b) => a - b);
}

/** The operation as OpenAPI writes it. */
export function renderOperation(path: string, method: Method, operation: Operation): Json {
  const { summary, success, parameters = [], body } = operation;
  const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, name = '']) => ({
    name,
    in: 'path',
    required: true,
    schema: TEXT,
  }));
  const responses = statusesOf(operation).map((status) => [
    String(status),
    success[status] ? renderAnswer(success[status]) : renderRefusal(status),
  ]);
  return {
    summary,
    operationId: operationId(path, method),
    parameters: [...inPath, ...parameters.map(renderParameter)],
    ...(body ? { requestBody: { content: contentOf(body) } } : {}),
    responses: Object.fromEntries(responses) as Json,
  };
}

function renderParameter({
  name,
  in: place,
  description,
  schema = TEXT,
  repeated,
}: Parameter): Json {
  return {
    name,
    in: place,
    description,
    schema: repeated ? listOf(schema) : schema,
    ...(repeated ? { explode: true } : {}),
  };
}

function renderAnswer({ description, body, headers = {} }: Answer): Json {
  const content =
    body === undefined
      ? {}
      : typeof body === 'string'
        ? { content: contentOf({ [body]: BINARY }) }
        : { content: contentOf({ 'application/json': body }) };
  const named = Object.entries(headers).map(([name, text]) => [
    name,
    { description: text, schema: TEXT },
  ]);
  return {
    description,
    ...(named.length > 0 ? { headers: Object.fromEntries(named) as Json } : {}),
    ...content,
  };
}

/** In the form that `Accept` prefers. */
function renderRefusal(status: number): Json {
  if (!Object.values(HTTP_STATUS).some((known) => known === status) && !(status in EXPLANATIONS)) {
    throw new Error(`${status} is no status of a refusal`);
  }
  return { $ref: `#/components/responses/${status}` };
}

function contentOf(bodies: Readonly<Record<string, Json>>): Json {
  return Object.fromEntries(Object.entries(bodies).map(([type, schema]) => [type, { schema }]));
}

function operationId(path: string, method: Method): string {
  const words = path.split(/[^A-Za-z0-9]+/).filter((word) => word !== '');
  return [method, ...words].join('_');
}
