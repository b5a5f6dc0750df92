import { randomUUID } from 'node:crypto';
import {
  checkCountQuota,
  DomainError,
  invalidRequest,
  isServiceProperty,
  type ExternalData,
  type ImageFields,
  type ImageRecord,
  type UpdateImageRequest,
} from '@glance/common';
import type { Registry } from '@glance/registry-client';
import { noteImage, type Logger } from '@glance/service-kit';
import type { InstrumentedStore, StoreSet } from '@glance/stores';
import type { Request, Response } from 'express';
import { identityOf } from '../auth/authenticate';
import type { Caller } from '../auth/caller';
import { requireWriter } from '../auth/require-writer';
import { encodeHeaderValue, isTrueText } from '../http/header-value';
import { deleteImage } from '../images/delete-image';
import type { ExternalSources } from '../images/external-sources';
import type { ImageCopier } from '../images/image-copier';
import type { ImageUploader } from '../images/upload-image';
import type { PropertyDefinitions } from '../images/property-definitions';
import { imageLimits, type LimitSource } from '../limits/project-limits';
import type { PolicyTarget } from '../policy/check';
import { newImageTarget } from '../policy/image-target';
import type { Policy } from '../policy/policy';
import type { PropertyAccess } from '../policy/property-access';
import { storeNamed } from '../store-config/store-settings';
import { OCTET_STREAM, mediaType, refuseContentEncoding } from '../transfer/media-type';
import type { TransferAdmission } from '../transfer/transfer-admission';
import { requestBaseUrl, type BaseUrlOptions } from '../versions/base-url';
import { changeTarget } from './change-target';
import { contextOf } from '../auth/call-context';
import { storeCallerOf } from '../auth/store-caller';
import { findImage } from './find-image';
import { checkFormatMix, parseImageMeta, type FormatRules, type ImageMeta } from './image-headers';
import { namedSources, onlySource, type ImageSource, type NamedSources } from './image-source';
import { imageView } from './image-view';

export interface ImagesControllerOptions {
  registry: Registry;
  stores: StoreSet;
  uploader: ImageUploader;
  transfers: TransferAdmission;
  copier: ImageCopier;
  externalSources: ExternalSources;
  policy: Policy;
  properties: PropertyAccess;
  definitions: PropertyDefinitions;
  logger: Logger;
  formats: FormatRules;
  baseUrl: BaseUrlOptions;
  imageSizeCapBytes: number;
  /** Null for no limit. */
  storageQuotaBytes: number | null;
  limits: LimitSource;
  /** Null for no limit. */
  propertyQuota: number | null;
  delayedDelete: boolean;
}

/** The image routes of API v1 (api-v1 sheet §2–§5). Each method is one route. */
/** Creates, changes and deletes images; `ImageReads` shows them (api-v1 sheet §2). */
export class ImagesController {
  constructor(private readonly options: ImagesControllerOptions) {}

  create = async (req: Request, res: Response): Promise<void> => {
    const { registry, uploader, policy, transfers } = this.options;
    const identity = requireWriter(req);
    const meta = this.decode(req);
    const { owner, visibility } = ownerAndVisibility(meta, identity);
    const target = newImageTarget({ owner, visibility }, identity);
    policy.enforce('add_image', identity, target);
    if (meta.isPublic) policy.enforce('publicize_image', identity, target);
    const sources = namedSources(req, meta);
    this.checkMaySend(sources, identity, target);
    this.options.properties.checkCreate(meta.properties, identity);
    checkCountQuota('image properties', meta.properties.length, this.options.propertyQuota);
    if (sources.location !== undefined) policy.enforce('set_image_location', identity, target);
    const source = onlySource(sources);
    const external = this.externalUri(source);
    const store = this.storeFor(meta);
    const context = contextOf(req);
    await this.options.definitions.check(meta.properties, context);

    const image = {
      ...imageFields(meta),
      id: meta.id ?? randomUUID(),
      visibility: visibilityOf(meta.isPublic === true),
      sizeBytes: meta.sizeBytes ?? 0,
      properties: meta.properties,
    };
    noteImage(image.id);
    if (external !== undefined) {
      if (source.kind === 'location') this.checkFormats(meta.diskFormat, meta.containerFormat);
      const data = await this.externalData(source, external, store, meta.sizeBytes, meta);
      const limits = await imageLimits(this.options.limits, owner);
      const created = await registry.createImage(
        { image: { ...image, ...data.fields }, ...data.data, ...limits },
        context,
      );
      if (source.kind === 'copy') this.options.copier.begin(created.image.id);
      this.answerCreated(req, res, created.image);
      return;
    }
    if (source.kind === 'none') {
      const status = meta.sizeBytes === 0 ? ('active' as const) : ('queued' as const);
      const limits = await imageLimits(this.options.limits, owner);
      const request = { image: { ...image, status }, ...limits };
      const created = await registry.createImage(request, context);
      this.answerCreated(req, res, created.image);
      return;
    }
    this.checkUpload(req, meta.diskFormat, meta.containerFormat);
    const limits = await imageLimits(this.options.limits, owner);
    const uploaded = await transfers.during(identity.projectId, () =>
      uploader.upload({
        imageId: image.id,
        request: req,
        response: res,
        store,
        caller: storeCallerOf(req),
        ...announced(meta.sizeBytes, meta.checksum),
        failureStatus: 'killed',
        limits: limits.limits,
        context,
        claim: async (upload) => {
          const created = await registry.createImage({ image, upload, ...limits }, context);
          if (!created.lease) throw new DomainError('internal', 'The registry gave no lease');
          return { image: created.image, lease: created.lease };
        },
      }),
    );
    this.answerCreated(req, res, uploaded);
  };

  update = async (req: Request, res: Response): Promise<void> => {
    const { registry, uploader, policy, properties, transfers } = this.options;
    const identity = requireWriter(req);
    const meta = this.decode(req);
    const sources = namedSources(req, meta);
    const stored = await findImage(registry, req, (found) => {
      const target = changeTarget(found, identity);
      policy.enforce('modify_image', identity, target);
      if (meta.isPublic) policy.enforce('publicize_image', identity, target);
      this.checkMaySend(sources, identity, target);
    });
    this.checkUpdate(meta, stored, identity.isAdmin);
    if (sources.body && stored.status !== 'queued') {
      throw new DomainError(
        'conflict',
        `Cannot upload to an image that is not queued: image ${stored.id} is ${stored.status}`,
      );
    }
    if (sources.location !== undefined) {
      policy.enforce('set_image_location', identity, changeTarget(stored, identity));
    }
    const source = onlySource(sources);
    const external = this.externalUri(source);
    if (external !== undefined && stored.status !== 'queued') {
      throw invalidRequest('Attempted to update Location field for an image not in queued status.');
    }
    const owner = identity.isAdmin && meta.owner !== undefined ? meta.owner : stored.owner;
    const context = contextOf(req);
    const purge = source.kind !== 'body' && wantsPurge(req);
    const request: UpdateImageRequest = {
      fields: imageFields(meta),
      properties: properties.plan(meta.properties, stored.properties, purge, identity),
    };
    checkCountQuota(
      'image properties',
      countProperties(meta, stored, purge),
      this.options.propertyQuota,
    );
    const known = new Map(stored.properties);
    const changed = meta.properties.filter(([name, value]) => known.get(name) !== value);
    await this.options.definitions.check(changed, context);
    if (source.kind === 'none') {
      const updated = await registry.updateImage(stored.id, request, context);
      this.answerImage(res, properties.readable(updated, identity));
      return;
    }
    const store = this.storeFor(meta);
    const formats = [
      meta.diskFormat ?? stored.diskFormat ?? undefined,
      meta.containerFormat ?? stored.containerFormat ?? undefined,
    ] as const;
    if (external !== undefined) {
      if (source.kind === 'location') this.checkFormats(...formats);
      const known = meta.sizeBytes ?? stored.sizeBytes ?? undefined;
      const data = await this.externalData(source, external, store, known, meta);
      const fields = { ...request.fields, ...data.fields };
      const updated = await registry.updateImage(
        stored.id,
        {
          ...request,
          fields,
          ...data.data,
          ...(await imageLimits(this.options.limits, owner)),
        },
        context,
      );
      if (source.kind === 'copy') this.options.copier.begin(updated.id);
      this.answerImage(res, properties.readable(updated, identity));
      return;
    }
    this.checkUpload(req, ...formats);
    const { limits } = await imageLimits(this.options.limits, owner);
    const uploaded = await transfers.during(identity.projectId, async () => {
      const updated = await registry.updateImage(
        stored.id,
        { ...request, ifStatus: ['queued'] },
        context,
      );
      return await uploader.upload({
        imageId: updated.id,
        request: req,
        response: res,
        store,
        caller: storeCallerOf(req),
        ...announced(updated.sizeBytes ?? undefined, updated.checksum),
        failureStatus: 'killed',
        limits,
        context,
        claim: (upload) => registry.beginUpload(updated.id, upload, context),
      });
    });
    this.answerImage(res, properties.readable(uploaded, identity));
  };

  remove = async (req: Request, res: Response): Promise<void> => {
    const { registry, stores, logger, policy, delayedDelete } = this.options;
    const identity = requireWriter(req);
    const image = await findImage(registry, req, (found) => {
      policy.enforce('delete_image', identity, changeTarget(found, identity));
    });
    if (image.protected) throw new DomainError('image_protected', 'Image is protected');
    if (image.status === 'pending_delete') {
      throw new DomainError('image_pending_delete', `Forbidden to delete a ${image.status} image.`);
    }
    if (image.status === 'deleted') {
      throw new DomainError('image_not_found', `Image ${image.id} not found.`);
    }
    await deleteImage(
      image.id,
      { registry, stores, logger, delayed: delayedDelete },
      contextOf(req),
    );
    res.status(200).end();
  };

  /** Header decoding comes before every other check but that of the caller. */
  private decode(req: Request): ImageMeta {
    const meta = parseImageMeta(req.rawHeaders, this.options.formats);
    const cap = this.options.imageSizeCapBytes;
    const length = Number(req.headers['content-length'] ?? 0);
    if ((length > 0 ? length : (meta.sizeBytes ?? 0)) > cap) {
      throw invalidRequest(`Denying attempt to upload image larger than ${cap} bytes.`);
    }
    return meta;
  }

  private storeFor(meta: ImageMeta): InstrumentedStore {
    const { stores } = this.options;
    if (meta.store === undefined) return stores.defaultStore;
    const store = storeNamed(meta.store, stores);
    if (!store) throw invalidRequest(`Required store ${meta.store.slice(0, 100)} is invalid`);
    return store;
  }

  private checkMaySend(
    { body, copyFrom }: NamedSources,
    caller: Caller,
    target: PolicyTarget,
  ): void {
    const { policy } = this.options;
    if (copyFrom !== undefined) policy.enforce('copy_from', caller, target);
    if (body || copyFrom !== undefined) policy.enforce('upload_image', caller, target);
  }

  private externalUri(source: ImageSource): string | undefined {
    return 'uri' in source ? this.options.externalSources.check(source.uri) : undefined;
  }

  /**
   * What the registry is told of data that no client sends.
   * @param knownBytes what the image is said to have; 0 counts as not known (api-v1 sheet 2.6).
   */
  private async externalData(
    source: ImageSource,
    url: string,
    store: InstrumentedStore,
    knownBytes: number | undefined,
    meta: ImageMeta,
  ): Promise<{ fields: ImageFields; data: ExternalData }> {
    const { externalSources, storageQuotaBytes } = this.options;
    const announcedBytes = knownBytes === 0 ? undefined : knownBytes;
    if (source.kind === 'location') {
      const sizeBytes = await externalSources.probe(url, announcedBytes);
      const location = { url, metadata: {}, sizeBytes, storageQuotaBytes };
      // Nobody has read the data: no checksum of it is known.
      return { fields: { sizeBytes, checksum: null }, data: { location } };
    }
    if (!store.capabilities.add) {
      const text = `Store ${store.id} can only be read: name another one in x-image-meta-store.`;
      throw new DomainError('store_add_disabled', text);
    }
    // A size in the request itself takes the place of the question.
    const sizeBytes =
      meta.sizeBytes === undefined || meta.sizeBytes === 0
        ? await externalSources.probe(url, announcedBytes)
        : meta.sizeBytes;
    const copyFrom = { sourceUrl: url, storeId: store.id, sizeBytes, storageQuotaBytes };
    return { fields: { sizeBytes }, data: { copyFrom } };
  }

  private checkFormats(diskFormat: string | undefined, containerFormat: string | undefined): void {
    if (diskFormat === undefined) throw invalidRequest('Disk format is not specified.');
    if (containerFormat === undefined) throw invalidRequest('Container format is not specified.');
    checkFormatMix(diskFormat, containerFormat);
  }

  /** What must be known before a body is taken. */
  private checkUpload(
    req: Request,
    diskFormat: string | undefined,
    containerFormat: string | undefined,
  ): void {
    this.checkFormats(diskFormat, containerFormat);
    const type = mediaType(req);
    if (type !== OCTET_STREAM) {
      throw invalidRequest(
        type === undefined
          ? 'The content type of image data must be application/octet-stream'
          : `Unsupported content type '${type.slice(0, 100)}' for image data: it must be application/octet-stream`,
      );
    }
    refuseContentEncoding(req);
  }

  private checkUpdate(meta: ImageMeta, stored: ImageRecord, isAdmin: boolean): void {
    const forbidden = (text: string): DomainError => new DomainError('forbidden', text);
    if (stored.status === 'deleted' || stored.deleted) {
      throw forbidden('Forbidden to update deleted image.');
    }
    if (!isAdmin && (stored.status === 'active' || stored.status === 'deactivated')) {
      const changed =
        meta.checksum !== undefined && meta.checksum !== stored.checksum
          ? 'checksum'
          : meta.sizeBytes !== undefined && meta.sizeBytes !== stored.sizeBytes
            ? 'size'
            : undefined;
      if (changed !== undefined) {
        throw forbidden(`Forbidden to modify '${changed}' of ${stored.status} image.`);
      }
    }
    if (meta.id !== undefined && meta.id !== stored.id) {
      throw forbidden(`Forbidden to change the id of image ${stored.id}`);
    }
    if (meta.status !== undefined && meta.status !== stored.status) {
      throw forbidden(`Forbidden to change the status of image ${stored.id}`);
    }
  }

  private answerCreated(req: Request, res: Response, image: ImageRecord): void {
    res.status(201);
    res.location(`${requestBaseUrl(req, this.options.baseUrl)}/v1/images/${image.id}`);
    this.answerImage(res, this.options.properties.readable(image, identityOf(req)));
  }

  private answerImage(res: Response, image: ImageRecord): void {
    if (image.checksum !== null) res.set('ETag', encodeHeaderValue(image.checksum));
    res.json({ image: imageView(image) });
  }
}

/** Whose a new image will be, and who will see it: only administrators make it another's. */
function ownerAndVisibility({ owner, isPublic }: ImageMeta, { isAdmin, projectId }: Caller) {
  return {
    owner: isAdmin && owner !== undefined ? owner : projectId,
    visibility: visibilityOf(isPublic === true),
  };
}

function visibilityOf(isPublic: boolean): 'public' | 'shared' {
  return isPublic ? 'public' : 'shared';
}

function imageFields(meta: ImageMeta): ImageFields {
  const { name, diskFormat, containerFormat, sizeBytes, virtualSizeBytes, checksum } = meta;
  const { minDisk, minRam, isPublic, owner } = meta;
  const fields: { [K in keyof ImageFields]: ImageFields[K] | undefined } = {
    name,
    diskFormat,
    containerFormat,
    sizeBytes,
    virtualSizeBytes,
    checksum,
    minDisk,
    minRam,
    protected: meta.protected,
    visibility: isPublic === undefined ? undefined : visibilityOf(isPublic),
    owner,
  };
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}

/** A size of 0 counts as not announced (sheet 4.2). */
function announced(sizeBytes: number | undefined, checksum: string | null | undefined) {
  return {
    sizeBytes: sizeBytes === 0 ? undefined : sizeBytes,
    md5: checksum ?? undefined,
  };
}

function wantsPurge(req: Request): boolean {
  const text = req.get('x-glance-registry-purge-props');
  return text === undefined || isTrueText(text);
}

function countProperties(meta: ImageMeta, stored: ImageRecord, purge: boolean): number {
  const names = new Set(meta.properties.map(([name]) => name));
  if (!purge) for (const [name] of stored.properties) names.add(name);
  for (const name of names) if (isServiceProperty(name)) names.delete(name);
  return names.size;
}
