import { DomainError, type ImageRecord, type Visibility } from '@glance/common';
import type { Registry } from '@glance/registry-client';
import { noteImage, type Logger } from '@glance/service-kit';
import type { StoreSet } from '@glance/stores';
import type { Request, RequestHandler, Response } from 'express';
import { identityOf } from '../auth/authenticate';
import type { Caller } from '../auth/caller';
import { requireWriter } from '../auth/require-writer';
import { deleteImage } from '../images/delete-image';
import type { PropertyDefinitions } from '../images/property-definitions';
import { removeTakenLocations } from '../images/remove-locations';
import { enforceOnImage } from '../policy/image-access';
import { imageLimits, type LimitSource } from '../limits/project-limits';
import { imageTarget, newImageTarget } from '../policy/image-target';
import type { Policy } from '../policy/policy';
import { requestBaseUrl, type BaseUrlOptions } from '../versions/base-url';
import { contextOf } from '../auth/call-context';
import { answerEmpty, answerJson } from './answer';
import { findImage } from './find-image';
import { isService } from './locations-controller';
import type { ImageCreation } from './image-creation';
import { imageView, type ImageViewOptions } from './image-view';
import { parseListQuery, type ListLimits } from './list-query';
import { parseNewImage, visibilityAction } from './new-image';
import { checkFormatsSet } from './image-locations';
import { planPatch } from './patch/apply-patch';
import { planLocations, type LocationContext } from './patch/plan-locations';
import { PATCH_MEDIA_TYPES, parsePatch, patchDialect, type ImagePatch } from './patch/parse-patch';
import type { PropertyAccess } from '../policy/property-access';
import type { ImageSchemas } from './schemas/image-schemas';

export interface ImagesControllerOptions {
  registry: Registry;
  stores: StoreSet;
  policy: Policy;
  properties: PropertyAccess;
  definitions: PropertyDefinitions;
  schemas: ImageSchemas;
  logger: Logger;
  baseUrl: BaseUrlOptions;
  view: ImageViewOptions;
  locations: Omit<LocationContext, 'mayNameStores'>;
  creation: ImageCreation;
  limits: LimitSource;
  listLimits: ListLimits;
  /** Null for no limit. */
  propertyQuota: number | null;
  /** Null for no limit. */
  tagQuota: number | null;
  delayedDelete: boolean;
  importMethods: readonly string[];
}

/** Images in API v2, without their data (api-v2 sheet §3–§5). Each method is one route. */
export class ImagesController {
  constructor(private readonly options: ImagesControllerOptions) {}

  create = async (req: Request, res: Response): Promise<void> => {
    const { registry, stores, schemas, baseUrl } = this.options;
    const body = parseNewImage(req.body, schemas);
    const caller = requireWriter(req);
    const { image } = body;
    if (image.id !== undefined) noteImage(image.id);
    const request = await this.options.creation.admit(body, caller, contextOf(req));
    const created = await registry.createImage(request, contextOf(req)).catch((error: unknown) => {
      if (error instanceof DomainError && error.code === 'image_exists') {
        const text = `Image ID ${image.id ?? ''} already exists!`;
        throw new DomainError('image_exists', text, { cause: error });
      }
      throw error;
    });
    noteImage(created.image.id);
    res.status(201);
    const { importMethods } = this.options;
    if (importMethods.length > 0) {
      res.set('OpenStack-image-import-methods', importMethods.join(','));
    }
    if (stores.areNamed) {
      res.set(
        'OpenStack-image-store-ids',
        stores
          .list()
          .map(({ id }) => id)
          .join(','),
      );
    }
    res.location(`${requestBaseUrl(req, baseUrl)}/v2/images/${created.image.id}`);
    this.answer(res, created.image, caller);
  };

  show = async (req: Request, res: Response): Promise<void> => {
    const caller = identityOf(req);
    const image = await findImage(this.options.registry, req);
    enforceOnImage(this.options.policy, 'get_image', caller, image);
    this.answer(res, image, caller);
  };

  index = async (req: Request, res: Response): Promise<void> => {
    const { registry, policy, properties, listLimits } = this.options;
    const caller = identityOf(req);
    const project = newImageTarget({ owner: caller.projectId, visibility: 'private' }, caller);
    policy.enforce('get_images', caller, project);
    const { searchParams } = new URL(req.originalUrl, 'http://localhost');
    const query = parseListQuery(searchParams, caller, listLimits);
    const filters = query?.properties ?? [];
    const found =
      query === undefined || !properties.mayFilterBy(filters, caller)
        ? []
        : await registry.listImages(query, contextOf(req));
    const images = found.filter(
      (image) =>
        properties.mayBeFound(image, filters, caller) &&
        policy.permits('get_image', caller, imageTarget(image, caller)),
    );
    const last = images.at(-1);
    searchParams.delete('marker');
    answerJson(res, {
      images: images.map((image) => this.viewOf(image, caller)),
      first: listPath(searchParams),
      schema: '/v2/schemas/images',
      ...(last !== undefined && found.length === query?.limit
        ? { next: listPath(new URLSearchParams([...searchParams, ['marker', last.id]])) }
        : {}),
    });
  };

  checkPatchType: RequestHandler = (req, res, next) => {
    res.set('Accept-Patch', PATCH_MEDIA_TYPES);
    patchDialect(req.headers['content-type']);
    res.removeHeader('Accept-Patch');
    next();
  };

  update = async (req: Request, res: Response): Promise<void> => {
    const { registry, policy, schemas, properties, tagQuota, propertyQuota } = this.options;
    const dialect = patchDialect(req.headers['content-type']);
    const patch = parsePatch(req.body, dialect, schemas);
    const caller = requireWriter(req);
    const image = await findImage(registry, req);
    if (patch.length === 0) {
      enforceOnImage(policy, 'get_image', caller, image);
      this.answer(res, image, caller);
      return;
    }
    enforceOnImage(policy, 'modify_image', caller, image);
    for (const { op, name, value } of patch) {
      if (name !== 'visibility' || op === 'remove') continue;
      const action = visibilityAction(value as Visibility);
      if (action !== undefined) enforceOnImage(policy, action, caller, image);
    }
    this.checkLocationChanges(patch, caller, image);
    const context = { caller, dialect, schemas, properties, tagQuota, propertyQuota };
    const changes = planPatch(image, patch, context);
    await this.options.definitions.check(changes.properties?.set ?? [], contextOf(req));
    const addsData = patch.some(({ op, name }) => name === 'locations' && op !== 'remove');
    const request = {
      ...changes,
      ...(await planLocations(image, patch, {
        ...this.options.locations,
        mayNameStores: caller.isAdmin || isService(caller),
      })),
      ...(addsData ? await imageLimits(this.options.limits, image.owner) : {}),
    };
    if (request.locations && image.status === 'queued') {
      checkFormatsSet({ ...image, ...changes.fields });
    }
    const changed = await registry.updateImage(image.id, request, contextOf(req));
    const takesAway = patch.some(({ op, name }) => name === 'locations' && op === 'remove');
    if (takesAway && !this.options.delayedDelete) {
      const { stores, logger } = this.options;
      const { requestId } = contextOf(req);
      await removeTakenLocations(image.id, { registry, stores, logger }, requestId).catch(
        (cause: unknown) => {
          const text = 'The store does not give up the data of the location.';
          throw new DomainError('store_failed', text, { cause });
        },
      );
    }
    this.answer(res, changed, caller);
  };

  remove = async (req: Request, res: Response): Promise<void> => {
    const { registry, stores, logger, policy, delayedDelete: delayed } = this.options;
    const caller = requireWriter(req);
    const image = await findImage(registry, req);
    enforceOnImage(policy, 'delete_image', caller, image);
    if (image.protected) {
      const text = `Image ${image.id} is protected and cannot be deleted.`;
      throw new DomainError('image_protected', text);
    }
    await deleteImage(image.id, { registry, stores, logger, delayed }, contextOf(req));
    answerEmpty(res, 204);
  };

  private checkLocationChanges(patch: ImagePatch, caller: Caller, image: ImageRecord): void {
    for (const { op, name } of patch) {
      if (name !== 'locations') continue;
      const action = op === 'remove' ? 'delete_image_location' : 'set_image_location';
      enforceOnImage(this.options.policy, action, caller, image);
      if (!this.options.view.locations) {
        const text = `It's not allowed to ${op} locations if locations are invisible.`;
        throw new DomainError('forbidden', text);
      }
    }
  }

  private answer(res: Response, image: ImageRecord, caller: Caller): void {
    answerJson(res, this.viewOf(image, caller));
  }

  private viewOf(image: ImageRecord, caller: Caller): unknown {
    const { properties, schemas, view } = this.options;
    return imageView(properties.readable(image, caller), view, schemas.propertyValues);
  }
}

function listPath(parameters: URLSearchParams): string {
  const query = parameters.toString();
  return query === '' ? '/v2/images' : `/v2/images?${query}`;
}

/** @throws DomainError `forbidden` for somebody else's project, unless an admin names it. */
