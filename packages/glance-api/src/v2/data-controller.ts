import { getHashes } from 'node:crypto';
import {
  DomainError,
  invalidRequest,
  isDomainError,
  type DataHash,
  type ImageRecord,
} from '@glance/common';
import type { Registry } from '@glance/registry-client';
import type { Logger } from '@glance/service-kit';
import type { ByteRange, StoreSet } from '@glance/stores';
import type { Request, RequestHandler, Response } from 'express';
import { identityOf } from '../auth/authenticate';
import { requireWriter } from '../auth/require-writer';
import { encodeHeaderValue } from '../http/header-value';
import { activeLocations, type ImageDataSource } from '../images/open-image-data';
import type { ImageUploader } from '../images/upload-image';
import { imageLimits, type LimitSource } from '../limits/project-limits';
import { enforceOnImage } from '../policy/image-access';
import type { Policy } from '../policy/policy';
import type { ImageSignatures } from '../signatures/image-signatures';
import { attachment } from '../transfer/attachment';
import type { DownloadReports } from '../transfer/download-reports';
import { FORM_DATA } from '../transfer/form-body';
import { OCTET_STREAM, mediaType } from '../transfer/media-type';
import { sendBody } from '../transfer/send-body';
import type { TransferAdmission } from '../transfer/transfer-admission';
import { answerEmpty } from './answer';
import { requestedRange } from './byte-range';
import { contextOf } from '../auth/call-context';
import { storeCallerOf } from '../auth/store-caller';
import { readDataHeaders } from './data-headers';
import { findImage } from './find-image';
import { preferredNames, preferredStores, storeForUpload } from './store-choice';

export interface DataControllerOptions {
  registry: Registry;
  stores: StoreSet;
  imageData: ImageDataSource;
  downloads: DownloadReports;
  uploader: ImageUploader;
  transfers: TransferAdmission;
  policy: Policy;
  limits: LimitSource;
  signatures: ImageSignatures;
  logger: Logger;
  imageSizeCapBytes: number;
  /** Milliseconds without progress after which a client that downloads is given up. */
  sendIdleMs: number;
  shutdown: AbortSignal;
}

/** The data of images in API v2 (api-v2 sheet 8.1, 8.3). Each method is one route. */
export class DataController {
  constructor(private readonly options: DataControllerOptions) {}

  upload = async (req: Request, res: Response): Promise<void> => {
    const { registry, stores, uploader, transfers, policy, signatures } = this.options;
    const { imageSizeCapBytes: cap } = this.options;
    const { sizeBytes, announcedBytes, unwrap } = readDataHeaders(req);
    const store = storeForUpload(req, stores);
    const caller = requireWriter(req);
    const image = await findImage(registry, req);
    enforceOnImage(policy, 'upload_image', caller, image);
    checkTakesData(image);
    if (announcedBytes !== undefined && announcedBytes > cap) {
      throw new DomainError(
        'too_large',
        `Denying attempt to upload image larger than ${cap} bytes.`,
      );
    }
    const context = contextOf(req);
    const { limits } = await imageLimits(this.options.limits, image.owner);
    const hash = recordedHash(image);
    const certificate = await signatures.certificateFor(image, req);
    await transfers.during(caller.projectId, () =>
      uploader.upload({
        imageId: image.id,
        request: req,
        response: res,
        store,
        caller: storeCallerOf(req),
        sizeBytes,
        md5: image.checksum ?? undefined,
        hash,
        certificate,
        unwrap,
        failureStatus: 'queued',
        limits,
        context,
        claim: async (upload) => {
          try {
            return await registry.beginUpload(image.id, upload, context);
          } catch (error) {
            throw isDomainError(error, 'conflict') ? lostRace(image.id, error) : error;
          }
        },
      }),
    );
    answerEmpty(res, 204);
  };

  /** Forms of browsers can only POST; nothing else can. */
  uploadForm: RequestHandler = async (req, res, next) => {
    if (mediaType(req) === FORM_DATA) await this.upload(req, res);
    else next();
  };

  download = async (req: Request, res: Response): Promise<void> => {
    const { registry, stores, transfers, policy } = this.options;
    const caller = identityOf(req);
    const image = await findImage(registry, req);
    enforceOnImage(policy, 'download_image', caller, image);
    if (image.status === 'deactivated' && !caller.isAdmin) {
      throw new DomainError('forbidden', `The requested image has been deactivated.`);
    }
    const names = preferredNames(req);
    if (names.length > 0) enforceOnImage(policy, 'download_from_store', caller, image);
    const preferred = preferredStores(names, stores);
    // What an import has brought so far is nobody's before the image is active.
    if (activeLocations(image).length === 0 || image.status === 'importing') {
      answerNoData(res);
      return;
    }
    const range = requestedRange(req.headers, image.sizeBytes);
    await transfers.during(caller.projectId, () => this.send(req, res, image, range, preferred));
  };

  private async send(
    req: Request,
    res: Response,
    image: ImageRecord,
    range: ByteRange | undefined,
    preferred: readonly string[],
  ): Promise<void> {
    const { stores, imageData, downloads, logger, sendIdleMs, shutdown } = this.options;
    const caller = storeCallerOf(req);
    const options = { stores, logger, caller, range, preferredStores: preferred };
    const data = await imageData.open(image, options).catch((error: unknown) => {
      if (isDomainError(error, 'store_blob_missing')) return undefined;
      throw error;
    });
    if (!data) {
      answerNoData(res);
      return;
    }
    res.status(range ? 206 : 200);
    res.set({
      'Content-Type': OCTET_STREAM,
      'Content-Length': String(data.sizeBytes),
      'Content-Disposition': attachment(image.id),
    });
    if (image.checksum !== null) res.set('Content-MD5', encodeHeaderValue(image.checksum));
    if (range) {
      const last = range.offset + range.length - 1;
      res.set('Content-Range', `bytes ${range.offset}-${last}/${image.sizeBytes}`);
    }
    await sendBody(res, data.chunks, {
      sizeBytes: data.sizeBytes,
      idleMs: sendIdleMs,
      signal: shutdown,
      onEnd: downloads.begin(req, image, data.sizeBytes),
    });
  }
}

/** A download of nothing: unlike other empty answers it has no type (sheet 1.1). */
function answerNoData(res: Response): void {
  res.status(204).end();
}

/** @throws DomainError `conflict`, `invalid_request` for an image that is not to get data. */
function checkTakesData({ id, status, diskFormat, containerFormat }: ImageRecord): void {
  if (status !== 'queued') {
    const text = `Image ${id} cannot take data: it is ${status}, and only a queued image can`;
    throw new DomainError('conflict', text);
  }
  const missing = [
    ...(diskFormat === null ? ['disk_format'] : []),
    ...(containerFormat === null ? ['container_format'] : []),
  ];
  if (missing.length > 0) {
    const properties = missing.length === 1 ? 'Property' : 'Properties';
    throw invalidRequest(`${properties} ${missing.join(', ')} must be set prior to saving data.`);
  }
}

/** @throws DomainError `invalid_request` for a hash that cannot be computed. */
function recordedHash({ hashAlgorithm, hashValue }: ImageRecord): DataHash | undefined {
  if (hashAlgorithm === null || hashValue === null) return undefined;
  if (!getHashes().includes(hashAlgorithm)) {
    throw invalidRequest(
      `The image is to have a hash under ${hashAlgorithm}, which this service does not know`,
    );
  }
  return { algorithm: hashAlgorithm, value: hashValue };
}

/** Somebody else's upload began since the image was looked at (sheet 8.1). */
function lostRace(imageId: string, cause: unknown): DomainError {
  return new DomainError(
    'upload_fenced',
    `Image ${imageId} is being changed by another request; the data was not stored`,
    { cause },
  );
}
