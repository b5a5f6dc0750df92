import {
  DomainError,
  SERVICE_IDENTITY,
  failPoint,
  invalidRequest,
  isDomainError,
  redactUri,
  type BeginImport,
  type ImageRecord,
} from '@glance/common';
import type { Registry } from '@glance/registry-client';
import type { StoreSet } from '@glance/stores';
import type { Request, Response } from 'express';
import { contextOf } from '../auth/call-context';
import { requireWriter } from '../auth/require-writer';
import { imageEndpoint, type CatalogReader } from '../auth/service-catalog';
import { storeCallerOf } from '../auth/store-caller';
import type { ImageUploader } from '../images/upload-image';
import type { ImageImporter } from '../imports/image-importer';
import type { ImportFilter } from '../imports/import-filter';
import {
  importConflict,
  parseImportRequest,
  type ImportRequest,
  type RemoteRequest,
} from '../imports/import-request';
import type { MetadataInjection } from '../imports/metadata-injection';
import type { RemoteImage, RemoteImages } from '../imports/remote-images';
import type { StagingArea } from '../imports/staging-area';
import { imageLimits, type LimitSource } from '../limits/project-limits';
import { enforceOnImage } from '../policy/image-access';
import type { Policy } from '../policy/policy';
import type { ImageSignatures } from '../signatures/image-signatures';
import { OCTET_STREAM, mediaType } from '../transfer/media-type';
import type { TransferAdmission } from '../transfer/transfer-admission';
import { answerEmpty } from './answer';
import { readDataHeaders } from './data-headers';
import { findImage } from './find-image';
import { importTargets } from './import-targets';
import { taskOfImage } from './task-of-image';

export interface ImportControllerOptions {
  registry: Registry;
  stores: StoreSet;
  uploader: ImageUploader;
  transfers: TransferAdmission;
  policy: Policy;
  limits: LimitSource;
  staging: StagingArea;
  importer: ImageImporter;
  filter: ImportFilter;
  remotes: RemoteImages;
  /** Undefined where no identity comes with one. */
  readCatalog: CatalogReader | undefined;
  injection: MetadataInjection;
  signatures: ImageSignatures;
  /** Those of the configuration that this release has. */
  methods: readonly string[];
  /** Names this process in leases. */
  node: string;
  imageSizeCapBytes: number;
  timeToLiveHours: number;
}

/** Interoperable import (tasks sheet §4, §5). Each method is one route. */
export class ImportController {
  constructor(private readonly options: ImportControllerOptions) {}

  /** `PUT …/stage` (api-v2 sheet §8.2) */
  stage = async (req: Request, res: Response): Promise<void> => {
    const { registry, uploader, transfers, policy, staging, methods } = this.options;
    const { imageSizeCapBytes: cap } = this.options;
    if (!methods.includes('glance-direct')) {
      throw new DomainError('not_found', 'Image import by glance-direct is not enabled here.');
    }
    if (mediaType(req) !== OCTET_STREAM) {
      throw new DomainError('unsupported_media_type', `Data is staged as ${OCTET_STREAM}`);
    }
    const { sizeBytes, announcedBytes } = readDataHeaders(req);
    const caller = requireWriter(req);
    const image = await findImage(registry, req);
    enforceOnImage(policy, 'modify_image', caller, image);
    if (image.status !== 'queued') {
      const text = `Image ${image.id} cannot be staged: it is ${image.status}, and only a queued image can`;
      throw new DomainError('conflict', text);
    }
    if (announcedBytes !== undefined && announcedBytes > cap) {
      const text = `Denying attempt to upload image larger than ${cap} bytes.`;
      throw new DomainError('too_large', text);
    }
    const context = contextOf(req);
    const { limits } = await imageLimits(this.options.limits, image.owner);
    const area = await staging.open();
    await transfers.during(caller.projectId, () =>
      uploader.upload({
        imageId: image.id,
        request: req,
        response: res,
        store: area.store,
        caller: storeCallerOf(req),
        stagingAreaId: area.id,
        sizeBytes,
        md5: undefined,
        failureStatus: 'queued',
        limits,
        context,
        claim: (upload) => registry.beginUpload(image.id, upload, context),
      }),
    );
    answerEmpty(res, 204);
  };

  /** `POST …/import`: the checks in the order of the sheet's table, but for rights before status. */
  import = async (req: Request, res: Response): Promise<void> => {
    const { registry, policy, importer, injection, filter, remotes, stores } = this.options;
    const request = parseImportRequest(req.body as Record<string, unknown>, this.options.methods);
    const caller = requireWriter(req);
    const image = await findImage(registry, req);
    const action = request.method === 'copy-image' ? 'copy_image' : 'modify_image';
    enforceOnImage(policy, action, caller, image);
    checkImportable(image, request);
    const storeIds = importTargets(req, image, request, stores);
    const sourceUrl = request.uri === undefined ? undefined : filter.check(request.uri);
    if (storeIds.length === 0) {
      answerEmpty(res, 202);
      return;
    }
    const remote = request.remote && (await this.findRemote(req, request.remote));
    const isCopy = request.method === 'copy-image';
    const certificate = isCopy
      ? undefined
      : await this.options.signatures.certificateFor(image, req);
    const limits = await imageLimits(this.options.limits, image.owner);
    const begun: BeginImport = {
      ...this.taskOf(req, image, request, storeIds),
      ...(remote ? { heldBy: { id: remotes.id, node: this.options.node } } : {}),
      method: request.method,
      storeIds,
      storesAreNamed: stores.areNamed,
      allStoresMustSucceed: request.allStoresMustSucceed,
      ...(sourceUrl === undefined ? {} : { sourceUrl }),
      ...(certificate === undefined ? {} : { certificate }),
      properties: injection.propertiesFor(caller, request.method),
      ...limits,
    };
    const context = contextOf(req);
    // Whoever may copy may do so whoever's the image is.
    const identity = isCopy ? SERVICE_IDENTITY : context.identity;
    if (remote) remotes.hold(begun.taskId, remote);
    try {
      await registry.beginImport(image.id, begun, { ...context, identity });
    } catch (error) {
      remotes.release(begun.taskId);
      throw isDomainError(error, 'conflict') ? notPermitted(image.id, error) : error;
    }
    failPoint('I1');
    importer.begin(image.id);
    answerEmpty(res, 202);
  };

  /** Where the caller's token opens the image. @throws DomainError `invalid_request` */
  private async findRemote(req: Request, wanted: RemoteRequest): Promise<RemoteImage> {
    const { readCatalog } = this.options;
    const token = req.get('x-auth-token');
    if (!readCatalog || token === undefined) {
      throw invalidRequest('glance-download needs a token with a service catalog');
    }
    const { region, interface: interfaceName, imageId } = wanted;
    const endpoint = imageEndpoint(await readCatalog(req), region, interfaceName);
    const place = `${interfaceName} endpoint of type image in region ${region}`;
    return { endpoint, place, imageId, token };
  }

  private taskOf(req: Request, image: ImageRecord, request: ImportRequest, storeIds: string[]) {
    const { method, uri, remote, allStores, allStoresMustSucceed } = request;
    return taskOfImage(req, this.options.timeToLiveHours, {
      image_id: image.id,
      import_req: {
        // Whoever sees the task need not see the credentials of the source.
        method: {
          name: method,
          ...(uri === undefined ? {} : { uri: redactUri(uri) }),
          ...(remote && {
            glance_region: remote.region,
            glance_image_id: remote.imageId,
            glance_service_interface: remote.interface,
          }),
        },
        ...(request.stores === undefined ? {} : { stores: request.stores }),
        all_stores: allStores,
        all_stores_must_succeed: allStoresMustSucceed,
      },
      backend: this.options.stores.areNamed ? storeIds : [null],
    });
  }
}

/** Rows 6 to 8 of the table. @throws DomainError `conflict` */
function checkImportable(image: ImageRecord, { method }: ImportRequest): void {
  const { status } = image;
  if (method === 'copy-image' && status !== 'active') {
    throw importConflict('Only images with status active can be targeted for copying');
  }
  if (method !== 'copy-image' && status === 'active') {
    throw importConflict(`Image with status active cannot be target for import`);
  }
  const wanted = {
    'copy-image': 'active',
    'web-download': 'queued',
    'glance-direct': 'uploading',
    'glance-download': 'queued',
  };
  if (status !== wanted[method]) {
    throw importConflict(
      `Image needs to be in '${wanted[method]}' state to use '${method}' method; it is '${status}'`,
    );
  }
  if (image.containerFormat === null)
    throw importConflict("'container_format' needs to be set before import");
  if (image.diskFormat === null)
    throw importConflict("'disk_format' needs to be set before import");
}

/** Row 19: somebody else was faster. */
function notPermitted(imageId: string, cause: unknown): DomainError {
  const text = `New operation on image '${imageId}' is not permitted as prior operation is still in progress`;
  return new DomainError('conflict', text, { cause });
}
