import {
  DomainError,
  IMPORT_METHODS,
  invalidRequest,
  isCanonicalUuid,
  type ImportMethod,
} from '@glance/common';

/** An image of the same service elsewhere. */
export interface RemoteRequest {
  region: string;
  imageId: string;
  /** Of the endpoint in the catalog: `public`, `internal`, `admin`. */
  interface: string;
}

/** What a client asks for (tasks sheet §5). */
export interface ImportRequest {
  method: ImportMethod;
  /** Of `web-download`, unchecked. */
  uri: string | undefined;
  /** Of `glance-download`. */
  remote: RemoteRequest | undefined;
  /** Undefined where the body names none. */
  stores: string[] | undefined;
  allStores: boolean;
  allStoresMustSucceed: boolean;
}

/**
 * Rows 1 and 2 of the sheet's table, and what else the body alone shows.
 * @throws DomainError `invalid_request`
 */
export function parseImportRequest(
  body: Record<string, unknown>,
  enabledMethods: readonly string[],
): ImportRequest {
  const { method, stores, all_stores: allStores = false } = body;
  const { all_stores_must_succeed: mustSucceed = true } = body;
  if (!isObject(method)) throw invalidRequest("Input does not contain 'method' field");
  const { name, uri } = method;
  if (typeof name !== 'string') throw invalidRequest("Input does not contain 'name' field");
  const known = IMPORT_METHODS.find((each) => each === name);
  if (known === undefined || !enabledMethods.includes(name)) {
    throw invalidRequest(`Unknown import method name '${name.slice(0, 100)}'.`);
  }
  if (typeof mustSucceed !== 'boolean') {
    throw invalidRequest("'all_stores_must_succeed' must be boolean value only");
  }
  if (typeof allStores !== 'boolean') {
    throw invalidRequest("'all_stores' must be boolean value only");
  }
  if (stores !== undefined && !isListOfNames(stores)) {
    throw invalidRequest("'stores' must be a list of names of stores, each once");
  }
  if (known === 'web-download' && typeof uri !== 'string') {
    throw invalidRequest("Input does not contain 'uri' field");
  }
  return {
    method: known,
    uri: known === 'web-download' ? (uri as string) : undefined,
    remote: known === 'glance-download' ? parseRemote(method) : undefined,
    // An empty list names no store, as none at all.
    stores: stores === undefined || stores.length === 0 ? undefined : stores,
    allStores,
    allStoresMustSucceed: mustSucceed,
  };
}

/** Row 9. */
function parseRemote(method: Record<string, unknown>): RemoteRequest {
  const { glance_region: region, glance_image_id: imageId } = method;
  const { glance_service_interface: interfaceName = 'public' } = method;
  const needed = (name: string): DomainError =>
    invalidRequest(`'${name}' needs to be set for glance-download import method`);
  if (typeof region !== 'string' || region === '') throw needed('glance_region');
  if (typeof imageId !== 'string') throw needed('glance_image_id');
  const id = imageId.toLowerCase();
  if (!isCanonicalUuid(id)) {
    throw invalidRequest(`Remote image id does not look like a UUID: ${imageId.slice(0, 100)}`);
  }
  if (typeof interfaceName !== 'string') {
    throw invalidRequest("'glance_service_interface' must be text");
  }
  return { region: region.slice(0, 255), imageId: id, interface: interfaceName.slice(0, 255) };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isListOfNames(value: unknown): value is string[] {
  if (!Array.isArray(value) || value.length > 100) return false;
  const names = value.filter((each): each is string => typeof each === 'string');
  return names.length === value.length && new Set(names).size === names.length;
}

/** What the sheet's table calls a precondition. */
export function importConflict(text: string): DomainError {
  return new DomainError('conflict', text);
}
