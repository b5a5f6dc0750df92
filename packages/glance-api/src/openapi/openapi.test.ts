import type { Router } from 'express';
import { olderCacheRouter } from '../cache/older-routes';
import { v1Router } from '../v1/router';
import { METADEF_SCHEMAS } from '../v2/schemas/metadef-schemas';
import { LIST_PARAMETERS } from '../v2/list-query';
import { v2Router } from '../v2/router';
import type { Method, Operations } from './operation';
import { openApiDocument } from './openapi-document';
import { OLDER_CACHE_OPERATIONS } from './cache-operations';
import { V1_OPERATIONS } from './v1-operations';
import { V2_LIST_PARAMETERS, V2_OPERATIONS } from './v2-operations';

/** Controllers of which only the routes are wanted: any method is a handler. */
function controllers<T>(): T {
  const handler = (): void => undefined;
  const anything: unknown = new Proxy(handler, {
    get: (_target, name) => (name === 'name' ? 'handler' : anything),
    apply: () => handler,
  });
  return anything as T;
}

interface Layer {
  route?: { path: string | string[]; stack: { method?: string; name: string }[] };
}

/** `METHOD PATH` of every route that does more than to refuse its method. */
function routesOf(router: Router): string[] {
  const found = new Set<string>();
  for (const { route } of (router as unknown as { stack: Layer[] }).stack) {
    if (!route) continue;
    const refusing = new Set(['refuseMethod', 'noSuchRoute']);
    const methods = route.stack.filter(({ name }) => !refusing.has(name));
    for (const path of [route.path].flat()) {
      for (const { method } of methods) {
        found.add(`${method ?? 'get'} ${path.replace(/:(\w+)/g, '{$1}')}`);
      }
    }
  }
  return [...found].sort();
}

function documented(operations: Operations): string[] {
  return Object.entries(operations)
    .flatMap(([path, methods]) => Object.keys(methods).map((method) => `${method} ${path}`))
    .sort();
}

describe('the OpenAPI document', () => {
  it('has every route of API v1 and no other', () => {
    expect(routesOf(v1Router(controllers(), controllers(), controllers()))).toEqual(
      documented(V1_OPERATIONS),
    );
    expect(routesOf(olderCacheRouter(controllers(), undefined))).toEqual(
      documented(OLDER_CACHE_OPERATIONS),
    );
  });

  it('has every route of API v2 and no other', () => {
    const schemas = {
      ...{ image: {}, images: {}, member: {}, members: {}, task: {}, tasks: {} },
      ...METADEF_SCHEMAS,
    };
    const all = { ...controllers<object>(), schemas };
    const proxied = new Proxy(all, {
      get: (target, name) => (name === 'schemas' ? target.schemas : controllers()),
    });
    expect(routesOf(v2Router(proxied as never))).toEqual(documented(V2_OPERATIONS));
  });

  it('has every parameter of a list and no other', () => {
    const names = V2_LIST_PARAMETERS.map(({ name }) => name);
    expect([...names].sort()).toEqual([...LIST_PARAMETERS].sort());
  });

  it('refers only to what it has, and names each operation once', () => {
    const document = openApiDocument() as {
      paths: Record<string, Record<Method, { operationId: string }>>;
    };
    const text = JSON.stringify(document);
    for (const [, reference = ''] of text.matchAll(/"\$ref":"#\/([^"]+)"/g)) {
      const target = reference
        .split('/')
        .reduce<unknown>(
          (node, key) => (node as Record<string, unknown> | undefined)?.[key],
          document,
        );
      expect([reference, typeof target]).toEqual([reference, 'object']);
    }
    const ids = Object.values(document.paths)
      .flatMap((methods) => Object.values(methods))
      .map(({ operationId }) => operationId);
    expect(new Set(ids).size).toBe(ids.length);
  });
});
