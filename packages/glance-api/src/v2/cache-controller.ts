import { DomainError, invalidRequest, isDomainError, type ImageRecord } from '@glance/common';
import type { Registry } from '@glance/registry-client';
import type { Request, Response } from 'express';
import { identityOf } from '../auth/authenticate';
import { cacheEntryView, noCache } from '../cache/cache-view';
import type { ImageCache } from '../cache/image-cache';
import type { PolicyAction } from '../policy/default-rules';
import { imageTarget } from '../policy/image-target';
import type { Policy } from '../policy/policy';
import { answerEmpty, answerJson } from './answer';
import { findImage } from './find-image';
import { imageIdOf } from './image-id';

export interface CacheControllerOptions {
  registry: Registry;
  policy: Policy;
  /** Undefined where there is none. */
  cache: ImageCache | undefined;
}

const CLEAR_TARGET = 'x-image-cache-clear-target';

/**
 * Management of the image cache of the node that is asked (api-v2 sheet 10.5). Who may not is told
 * so whether there is a cache or not.
 */
export class CacheController {
  constructor(private readonly options: CacheControllerOptions) {}

  index = async (req: Request, res: Response): Promise<void> => {
    const cache = this.cacheFor('cache_list', req);
    const cached = await cache.cached();
    answerJson(res, {
      cached_images: cached.map(cacheEntryView),
      queued_images: await cache.queued(),
    });
  };

  clear = async (req: Request, res: Response): Promise<void> => {
    const cache = this.cacheFor('cache_delete', req);
    const target = (req.get(CLEAR_TARGET) ?? '').toLowerCase();
    if (target !== '' && target !== 'cache' && target !== 'queue') {
      throw invalidRequest(`${CLEAR_TARGET} must be cache, queue or empty`);
    }
    // The queue first: nothing of it comes into the cache once that is empty.
    if (target !== 'cache') await cache.unqueueAll();
    if (target !== 'queue') await cache.evictAll();
    answerEmpty(res, 204);
  };

  enqueue = async (req: Request, res: Response): Promise<void> => {
    const { registry } = this.options;
    const image = await findImage(registry, req);
    const cache = this.cacheFor('cache_image', req, image);
    if (image.status !== 'active') {
      throw invalidRequest(`Only images with status active can be cached, not ${image.status}`);
    }
    await cache.enqueue(image.id);
    answerEmpty(res, 202);
  };

  /** Of an image that is deleted, too, as long as it is there. */
  remove = async (req: Request, res: Response): Promise<void> => {
    const image = await this.findOrMissing(req);
    if (!(image instanceof DomainError)) {
      await this.cacheFor('cache_delete', req, image).forget(image.id);
    } else {
      const { cache, policy } = this.options;
      // Who may not is told what anybody is told of an image that is not there.
      const isFound =
        policy.permits('cache_delete', identityOf(req)) && (await cache?.forget(imageIdOf(req)));
      if (isFound !== true) throw image;
    }
    answerEmpty(res, 204);
  };

  clean = async (req: Request, res: Response): Promise<void> => {
    await this.cacheFor('cache_clean', req).clean();
    res.status(200).set('Content-Type', 'text/html; charset=UTF-8').end();
  };

  prune = async (req: Request, res: Response): Promise<void> => {
    const { files, bytes } = await this.cacheFor('cache_prune', req).prune();
    answerJson(res, { total_files_pruned: files, total_bytes_pruned: bytes });
  };

  /** Each node knows its own cache: upstream's drivers but one answer this, too. */
  nodes = (req: Request): void => {
    this.cacheFor('list_cached_nodes', req);
    throw new DomainError('conflict', 'What other nodes have in their caches is not known here.');
  };

  /** @throws DomainError `forbidden`; `not_found` where there is no cache. */
  private cacheFor(action: PolicyAction, req: Request, image?: ImageRecord): ImageCache {
    const { cache, policy } = this.options;
    const caller = identityOf(req);
    policy.enforce(action, caller, image && imageTarget(image, caller));
    if (!cache) throw noCache();
    return cache;
  }

  private async findOrMissing(req: Request): Promise<ImageRecord | DomainError> {
    try {
      return await findImage(this.options.registry, req);
    } catch (error) {
      if (isDomainError(error, 'image_not_found')) return error;
      throw error;
    }
  }
}
