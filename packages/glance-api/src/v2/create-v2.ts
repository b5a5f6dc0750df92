import type { Router } from 'express';
import { formatsOf, limitOf, listLimitsOf, type ApiParts } from '../api-parts';
import { managesCache } from '../cache/create-cache';
import { olderCacheRouter } from '../cache/older-routes';
import { PropertyAccess, V2_PROPERTY_MANNERS } from '../policy/property-access';
import { ActionsController } from './actions-controller';
import { CacheController } from './cache-controller';
import { DataController } from './data-controller';
import { DiscoveryController } from './discovery-controller';
import { ImportController } from './import-controller';
import { ImageCreation } from './image-creation';
import { ImagesController } from './images-controller';
import { LocationsController } from './locations-controller';
import { MembersController } from './members-controller';
import { MetadefTagsController } from './metadefs/metadef-tags-controller';
import { NamespacesController } from './metadefs/namespaces-controller';
import { ObjectsController } from './metadefs/objects-controller';
import { PropertiesController } from './metadefs/properties-controller';
import { ResourceTypesController } from './metadefs/resource-types-controller';
import { v2Router } from './router';
import { readDeclaredProperties } from './schemas/declared-properties';
import { ImageSchemas } from './schemas/image-schemas';
import { publishedSchemas } from './schemas/published-schemas';
import { StoresController } from './stores-controller';
import { TagsController } from './tags-controller';
import { TaskCreation } from './task-creation';
import { TasksController } from './tasks-controller';
import { TimelineController } from './timeline-controller';

/**
 * API v2 over the parts of the service.
 * @throws Error for a schema-image.json that cannot be used.
 */
export async function createV2(parts: ApiParts): Promise<Router> {
  const { config, registry, stores, policy, protections, logger, externalSources } = parts;
  const { DEFAULT: options, transfer } = config;
  const { storageQuotaBytes, limits } = parts;
  const tagQuota = limitOf(options.image_tag_quota);
  const formats = formatsOf(config);
  const declared = await readDeclaredProperties(parts.configDirectories, formats);
  const schemas = new ImageSchemas(formats, declared);
  const properties = new PropertyAccess(protections, V2_PROPERTY_MANNERS);
  const propertyQuota = limitOf(options.image_property_quota);
  const creation = new ImageCreation({
    policy,
    properties,
    definitions: parts.definitions,
    limits,
    propertyQuota,
    tagQuota,
  });
  const { task_time_to_live: timeToLiveHours } = config.task;
  return v2Router({
    images: new ImagesController({
      ...parts,
      properties,
      creation,
      schemas,
      logger: logger.child('images'),
      baseUrl: { publicEndpoint: options.public_endpoint },
      view: {
        directUrl: options.show_image_direct_url,
        locations: options.show_multiple_locations,
        stores,
      },
      locations: {
        sources: externalSources,
        stores,
        locationQuota: limitOf(options.image_location_quota),
        storageQuotaBytes,
        delayedDelete: options.delayed_delete,
      },
      listLimits: listLimitsOf(config),
      propertyQuota,
      tagQuota,
      delayedDelete: options.delayed_delete,
      importMethods: parts.imports.methods,
    }),
    data: new DataController({
      ...parts,
      logger: logger.child('images'),
      imageSizeCapBytes: options.image_size_cap,
      sendIdleMs: transfer.idle_timeout * 1000,
    }),
    members: new MembersController({
      registry,
      policy,
      memberQuota: limitOf(options.image_member_quota),
    }),
    metadefs: {
      namespaces: new NamespacesController({
        registry,
        policy,
        listLimits: listLimitsOf(config),
        baseUrl: { publicEndpoint: options.public_endpoint },
      }),
      objects: new ObjectsController({ registry, policy }),
      properties: new PropertiesController({ registry, policy }),
      tags: new MetadefTagsController({ registry, policy }),
      resourceTypes: new ResourceTypesController({ registry, policy }),
    },
    tags: new TagsController({ registry, policy, tagQuota }),
    actions: new ActionsController({ registry, policy }),
    cache: new CacheController({ registry, policy, cache: parts.cache }),
    olderCache: managesCache(config.paste_deploy.flavor)
      ? olderCacheRouter(policy, parts.cache)
      : undefined,
    discovery: new DiscoveryController({ registry, limits, importMethods: parts.imports.methods }),
    imports: new ImportController({
      ...parts,
      ...parts.imports,
      readCatalog: parts.readCatalog,
      signatures: parts.signatures,
      node: parts.node,
      imageSizeCapBytes: options.image_size_cap,
      timeToLiveHours,
    }),
    tasks: new TasksController({
      registry,
      policy,
      baseUrl: { publicEndpoint: options.public_endpoint },
      listLimits: listLimitsOf(config),
      creation: new TaskCreation({
        ...parts,
        ...parts.imports,
        schemas,
        creation,
        timeToLiveHours,
      }),
    }),
    timeline: new TimelineController({ registry, policy, listLimits: listLimitsOf(config) }),
    stores: new StoresController({
      registry,
      stores,
      policy,
      logger: logger.child('images'),
      delayedDelete: options.delayed_delete,
    }),
    schemas: publishedSchemas(schemas),
    locations: new LocationsController({
      ...parts,
      secureHash: options.do_secure_hash,
      timeToLiveHours,
    }),
  });
}
