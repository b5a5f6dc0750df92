import { DomainError, imageNotFound, isDomainError, type ImageRecord } from '@glance/common';
import type { Registry } from '@glance/registry-client';
import { sendJson, type Logger } from '@glance/service-kit';
import type { StoreSet } from '@glance/stores';
import type { Request, Response } from 'express';
import { identityOf } from '../auth/authenticate';
import { contextOf } from '../auth/call-context';
import { storeCallerOf } from '../auth/store-caller';
import type { Caller } from '../auth/caller';
import type { ImageDataSource } from '../images/open-image-data';
import type { PolicyTarget } from '../policy/check';
import { imageTarget, newImageTarget } from '../policy/image-target';
import type { Policy } from '../policy/policy';
import type { PropertyAccess } from '../policy/property-access';
import { attachment } from '../transfer/attachment';
import type { DownloadReports } from '../transfer/download-reports';
import { sendBody } from '../transfer/send-body';
import type { TransferAdmission } from '../transfer/transfer-admission';
import { findImage } from './find-image';
import { imageMetaHeaders } from './image-headers';
import { briefImageView, imageView } from './image-view';
import { parseListQuery, unknownMarker, type ListLimits } from './list-query';

export interface ImageReadsOptions {
  registry: Registry;
  stores: StoreSet;
  imageData: ImageDataSource;
  downloads: DownloadReports;
  transfers: TransferAdmission;
  policy: Policy;
  properties: PropertyAccess;
  logger: Logger;
  listLimits: ListLimits;
  sendIdleMs: number;
  shutdown: AbortSignal;
}

/** Lists, shows and downloads images (api-v1 sheet §2). */
export class ImageReads {
  constructor(private readonly options: ImageReadsOptions) {}

  index = async (req: Request, res: Response): Promise<void> => {
    sendJson(res, { images: (await this.list(req)).map(briefImageView) });
  };

  detail = async (req: Request, res: Response): Promise<void> => {
    const caller = identityOf(req);
    const images = await this.list(req);
    sendJson(res, {
      images: images.map((image) => imageView(this.options.properties.readable(image, caller))),
    });
  };

  head = async (req: Request, res: Response): Promise<void> => {
    const { registry, policy, properties } = this.options;
    const identity = identityOf(req);
    const image = await findImage(registry, req, (found) => {
      policy.enforce('get_image', identity, readTarget(found, identity));
    });
    res.set(imageMetaHeaders(properties.readable(image, identity)));
    // As upstream answers: the metadata is all there is.
    res.set({ 'Content-Type': 'text/html; charset=UTF-8', 'Content-Length': '0' });
    res.status(200).end();
  };

  download = async (req: Request, res: Response): Promise<void> => {
    const { registry, policy, properties, stores, imageData, transfers } = this.options;
    const { downloads, logger, sendIdleMs, shutdown } = this.options;
    const identity = identityOf(req);
    const image = await findImage(registry, req, (found) => {
      const target = readTarget(found, identity);
      policy.enforce('get_image', identity, target);
      policy.enforce('download_image', identity, target);
    });
    checkActive(image);
    await transfers.during(identity.projectId, async () => {
      const data = await imageData.open(image, {
        ...{ stores, logger },
        caller: storeCallerOf(req),
      });
      res.set({
        ...imageMetaHeaders(properties.readable(image, identity)),
        'Content-Type': 'application/octet-stream',
        'Content-Length': String(data.sizeBytes),
        'Content-Disposition': attachment(image.id),
      });
      res.status(200);
      await sendBody(res, data.chunks, {
        sizeBytes: data.sizeBytes,
        idleMs: sendIdleMs,
        signal: shutdown,
        onEnd: downloads.begin(req, image, data.sizeBytes),
      });
    });
  };

  private async list(req: Request): Promise<ImageRecord[]> {
    const identity = identityOf(req);
    const project = newImageTarget({ owner: identity.projectId, visibility: 'private' }, identity);
    this.options.policy.enforce('get_images', identity, project);
    const { searchParams } = new URL(req.originalUrl, 'http://localhost');
    const query = parseListQuery(searchParams, identity, this.options.listLimits);
    const { registry, properties } = this.options;
    const filters = query.properties ?? [];
    if (!properties.mayFilterBy(filters, identity)) return [];
    try {
      const found = await registry.listImages(query, contextOf(req));
      return found.filter((image) => properties.mayBeFound(image, filters, identity));
    } catch (error) {
      const isMarkerHidden = isDomainError(error, 'forbidden') && 'marker' in error.details;
      throw isMarkerHidden ? unknownMarker(error) : error;
    }
  }
}

/** @throws DomainError unless there is data to download. */
function checkActive({ id, status, deleted }: ImageRecord): void {
  if (status === 'deactivated') throw new DomainError('forbidden', `Image ${id} is deactivated`);
  if (status !== 'active' || deleted) throw imageNotFound(id);
}

/** An image that is not there, or not to be seen, is taken for a public one of the caller's own. */
function readTarget(image: ImageRecord | undefined, caller: Caller): PolicyTarget {
  if (image) return imageTarget(image, caller);
  return newImageTarget({ owner: caller.projectId, visibility: 'public' }, caller);
}
