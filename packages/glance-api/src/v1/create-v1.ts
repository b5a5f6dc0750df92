import type { Router } from 'express';
import { formatsOf, limitOf, listLimitsOf, type ApiParts } from '../api-parts';
import { managesCache } from '../cache/create-cache';
import { olderCacheRouter } from '../cache/older-routes';
import { PropertyAccess, V1_PROPERTY_MANNERS } from '../policy/property-access';
import { ImageReads } from './image-reads';
import { ImagesController } from './images-controller';
import { MembersController } from './members-controller';
import { v1Router } from './router';

/** API v1 over the parts of the service. */
export function createV1(parts: ApiParts): Router {
  const { config, registry, policy, protections, cache, logger } = parts;
  const { DEFAULT: options, transfer, paste_deploy } = config;
  const shared = {
    ...parts,
    properties: new PropertyAccess(protections, V1_PROPERTY_MANNERS),
    logger: logger.child('images'),
  };
  const reads = new ImageReads({
    ...shared,
    listLimits: listLimitsOf(config),
    sendIdleMs: transfer.idle_timeout * 1000,
  });
  const images = new ImagesController({
    ...shared,
    formats: formatsOf(config),
    baseUrl: { publicEndpoint: options.public_endpoint },
    imageSizeCapBytes: options.image_size_cap,
    propertyQuota: limitOf(options.image_property_quota),
    delayedDelete: options.delayed_delete,
  });
  const memberQuota = limitOf(options.image_member_quota);
  return v1Router(
    reads,
    images,
    new MembersController({ registry, policy, memberQuota }),
    managesCache(paste_deploy.flavor) ? olderCacheRouter(policy, cache) : undefined,
  );
}
