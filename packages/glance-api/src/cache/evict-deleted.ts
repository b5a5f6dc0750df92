import { describeError } from '@glance/common';
import type { Registry } from '@glance/registry-client';
import type { Logger } from '@glance/service-kit';

/**
 * The registry, whose deletions take the image out of the cache of this node, too: here alone, so
 * that no caller forgets it. Other nodes do not serve it, as they ask the registry first, and their
 * sweep removes it.
 */
export function evictingDeleted(
  registry: Registry,
  cache: { forget(imageId: string): Promise<unknown> },
  logger: Logger,
): Registry {
  const evicting: Partial<Registry> = {
    beginDeletion: async (imageId, request, context) => {
      const plan = await registry.beginDeletion(imageId, request, context);
      await cache.forget(imageId).catch((error: unknown) => {
        logger.warn('A deleted image stays in the image cache until a sweep', {
          image: imageId,
          error: describeError(error),
        });
      });
      return plan;
    },
  };
  return new Proxy(registry, {
    get(target, name) {
      const own: unknown = Reflect.get(evicting, name) ?? Reflect.get(target, name);
      return typeof own === 'function' ? (own.bind(target) as unknown) : own;
    },
  });
}
