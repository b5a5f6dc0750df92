import Joi from 'joi';
import { LRUCache } from 'lru-cache';
import { KeystoneError } from './keystone-error';
import type { KeystoneSession } from './keystone-session';

/** The endpoint whose service and region limits are registered for. */
export type EndpointName =
  | { id: string }
  | {
      serviceName?: string | undefined;
      serviceType?: string | undefined;
      interface?: string | undefined;
      region?: string | undefined;
    };

export interface LimitReaderOptions {
  endpoint: EndpointName;
  /** How long limits are not asked for again. */
  cacheSeconds: number;
}

/** By the name of the resource; a negative one is no limit. */
export type Limits = ReadonlyMap<string, number>;

interface Service {
  /** Narrows a question to the limits of the service. */
  query: { service_id: string; region_id: string | undefined };
  /** What holds for projects without a limit of their own. */
  defaults: Limits;
}

const MAX_PROJECTS = 10_000;
const SERVICE = 'service';

/**
 * The limits of projects as operators keep them in Keystone (unified limits), each project's asked
 * for once in a while. A question that is under way is not asked again.
 */
export class LimitReader {
  private readonly answers: LRUCache<string, Promise<Limits>>;
  private readonly services: LRUCache<typeof SERVICE, Promise<Service>>;

  constructor(
    private readonly session: Pick<KeystoneSession, 'get'>,
    private readonly options: LimitReaderOptions,
  ) {
    // Milliseconds; 0 would be for ever.
    const ttl = Math.max(1, options.cacheSeconds * 1000);
    this.answers = new LRUCache({ max: MAX_PROJECTS, ttl });
    this.services = new LRUCache({ max: 1, ttl });
  }

  /** @throws KeystoneError when Keystone does not say, or there is no such endpoint. */
  async limitsOf(projectId: string): Promise<Limits> {
    return await remembered(this.answers, projectId, () => this.askFor(projectId));
  }

  private async askFor(projectId: string): Promise<Limits> {
    const service = await remembered(this.services, SERVICE, () => this.findService());
    const query = { ...service.query, project_id: projectId };
    const { limits } = read(LIMITS, '/limits', await this.session.get('/limits', { query }));
    const own = limits.filter((each) => each.project_id === projectId);
    return new Map([
      ...service.defaults,
      ...own.map((each) => [each.resource_name, each.resource_limit] as const),
    ]);
  }

  private async findService(): Promise<Service> {
    const { service_id, region_id } = await this.findEndpoint();
    const query = { service_id, region_id: region_id ?? undefined };
    const path = '/registered_limits';
    const answer = read(REGISTERED_LIMITS, path, await this.session.get(path, { query }));
    const defaults = answer.registered_limits.map(
      (each) => [each.resource_name, each.default_limit] as const,
    );
    return { query, defaults: new Map(defaults) };
  }

  private async findEndpoint(): Promise<Endpoint> {
    const { endpoint } = this.options;
    if ('id' in endpoint) {
      const path = `/endpoints/${encodeURIComponent(endpoint.id)}`;
      return read(ENDPOINT, path, await this.session.get(path)).endpoint;
    }
    const { serviceName: name, serviceType: type, interface: kind, region } = endpoint;
    const { services } = read(
      SERVICES,
      '/services',
      await this.session.get('/services', { query: { name, type } }),
    );
    const [service] = services;
    if (!service || services.length > 1) {
      throw notOne('/services', `name ${name ?? 'any'} and type ${type ?? 'any'}`, services);
    }
    const query = { service_id: service.id, interface: kind, region_id: region };
    const { endpoints } = read(
      ENDPOINTS,
      '/endpoints',
      await this.session.get('/endpoints', { query }),
    );
    const [found] = endpoints;
    if (!found || endpoints.length > 1) {
      const what = `service ${service.id}, interface ${kind ?? 'any'} and region ${region ?? 'any'}`;
      throw notOne('/endpoints', what, endpoints);
    }
    return found;
  }
}

/** Failures are not remembered. */
async function remembered<K extends string, V>(
  cache: LRUCache<K, Promise<V>>,
  key: K,
  ask: () => Promise<V>,
): Promise<V> {
  const known = cache.get(key);
  if (known) return await known;
  const answer = ask();
  cache.set(key, answer);
  try {
    return await answer;
  } catch (error) {
    if (cache.peek(key) === answer) cache.delete(key);
    throw error;
  }
}

function notOne(path: string, what: string, found: readonly unknown[]): KeystoneError {
  return new KeystoneError(
    'not_found',
    `GET /v3${path}: ${found.length} instead of one of ${what}`,
  );
}

function read<T>(schema: Joi.ObjectSchema<T>, path: string, body: unknown): T {
  const result = schema.validate(body, { allowUnknown: true });
  if (!result.error) return result.value;
  throw new KeystoneError(
    'unexpected',
    `GET /v3${path}: the answer is none of the identity API v3: ${result.error.message}`,
  );
}

interface Endpoint {
  service_id: string;
  region_id?: string | null;
}

const text = Joi.string().required();
const endpoint = Joi.object<Endpoint>({ service_id: text, region_id: Joi.string().allow(null) });
const ENDPOINT = Joi.object<{ endpoint: Endpoint }>({ endpoint: endpoint.required() }).required();
const ENDPOINTS = Joi.object<{ endpoints: Endpoint[] }>({
  endpoints: Joi.array().items(endpoint).required(),
}).required();
const SERVICES = Joi.object<{ services: { id: string }[] }>({
  services: Joi.array()
    .items(Joi.object({ id: text }))
    .required(),
}).required();
const LIMITS = Joi.object<{
  limits: { resource_name: string; resource_limit: number; project_id?: string | null }[];
}>({
  limits: Joi.array()
    .items(
      Joi.object({
        resource_name: text,
        resource_limit: Joi.number().integer().required(),
        project_id: Joi.string().allow(null),
      }),
    )
    .required(),
}).required();
const REGISTERED_LIMITS = Joi.object<{
  registered_limits: { resource_name: string; default_limit: number }[];
}>({
  registered_limits: Joi.array()
    .items(Joi.object({ resource_name: text, default_limit: Joi.number().integer().required() }))
    .required(),
}).required();
