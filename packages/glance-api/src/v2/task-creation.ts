import { randomUUID } from 'node:crypto';
import {
  DomainError,
  failPoint,
  isServiceProperty,
  redactUri,
  type BeginImport,
  type ImageRecord,
  type NewImage,
  type TaskType,
} from '@glance/common';
import type { Registry } from '@glance/registry-client';
import { noteImage } from '@glance/service-kit';
import type { StoreSet } from '@glance/stores';
import type { Request } from 'express';
import { contextOf } from '../auth/call-context';
import type { Caller } from '../auth/caller';
import { requireWriter } from '../auth/require-writer';
import type { ImageImporter } from '../imports/image-importer';
import type { ImportFilter } from '../imports/import-filter';
import type { StagingArea } from '../imports/staging-area';
import { enforceOnImage } from '../policy/image-access';
import type { Policy } from '../policy/policy';
import type { ImageSignatures } from '../signatures/image-signatures';
import type { ImageCreation } from './image-creation';
import { parseNewImage } from './new-image';
import type { ImageSchemas } from './schemas/image-schemas';
import type { CloneTask, ExportTask, ImportTask, TaskRequest } from './task-request';
import { taskOfImage } from './task-of-image';

export interface TaskCreationOptions {
  registry: Registry;
  stores: StoreSet;
  policy: Policy;
  schemas: ImageSchemas;
  creation: ImageCreation;
  /** Those of the configuration that this release has. */
  methods: readonly string[];
  filter: ImportFilter;
  importer: ImageImporter;
  signatures: ImageSignatures;
  /** Where exports go; undefined where there are none. */
  exports: StagingArea | undefined;
  /** Names this process in leases. */
  node: string;
  timeToLiveHours: number;
}

/** What an import makes of nothing (tasks sheet §3). */
const DEFAULT_FORMATS = { disk_format: 'qcow2', container_format: 'bare' };
const FORMATS = ['disk_format', 'container_format'] as const;

/**
 * Tasks that administrators make: each is an import, of a new image or, for an export, from an image
 * to a file. Image and task are made in one transaction, and an image that comes to nothing goes.
 */
export class TaskCreation {
  constructor(private readonly options: TaskCreationOptions) {}

  /** @returns the id of the task. @throws DomainError */
  async begin(request: TaskRequest, req: Request): Promise<string> {
    const caller = requireWriter(req);
    switch (request.type) {
      case 'import':
        return await this.beginImport(request, req, caller);
      case 'clone':
        return await this.beginClone(request, req, caller);
      case 'export':
        return await this.beginExport(request, req, caller);
    }
  }

  private async beginImport(request: ImportTask, req: Request, caller: Caller): Promise<string> {
    const { stores, filter, methods } = this.options;
    if (!methods.includes('web-download')) {
      const text =
        'Tasks import nothing from the web here: [DEFAULT] enabled_import_methods does not have web-download';
      throw new DomainError('forbidden', text);
    }
    const sourceUrl = filter.check(request.uri, 'import');
    const { imageProperties: given } = request;
    const properties = Object.keys(given).length === 0 ? DEFAULT_FORMATS : given;
    return await this.create(req, caller, properties, {
      ...this.task(req, request),
      // The URL may carry credentials.
      input: { ...request.input, import_from: redactUri(request.uri) },
      method: 'web-download',
      sourceUrl,
      storeIds: [stores.defaultStore.id],
    });
  }

  private async beginClone(request: CloneTask, req: Request, caller: Caller): Promise<string> {
    const { stores } = this.options;
    const source = await this.readable(request.imageId, req, caller);
    const own = Object.fromEntries(source.properties.filter(([name]) => !isServiceProperty(name)));
    const properties = {
      ...own,
      name: source.name,
      disk_format: source.diskFormat,
      container_format: source.containerFormat,
      min_disk: source.minDisk,
      min_ram: source.minRam,
      tags: source.tags,
      ...request.imageProperties,
    };
    const storeId = request.store ?? stores.defaultStore.id;
    if (!stores.list().some((store) => store.id === storeId && store.capabilities.add)) {
      throw new DomainError('conflict', `Store ${storeId.slice(0, 100)} is not available here`);
    }
    return await this.create(req, caller, properties, {
      ...this.task(req, request),
      method: 'clone',
      sourceImageId: source.id,
      storeIds: [storeId],
    });
  }

  private async beginExport(request: ExportTask, req: Request, caller: Caller): Promise<string> {
    const { registry, exports, importer, node } = this.options;
    if (!exports) {
      const text = 'Images cannot be exported here: [task] export_dir is not set';
      throw new DomainError('conflict', text);
    }
    const image = await this.readable(request.imageId, req, caller);
    const area = await exports.open();
    const begun: BeginImport = {
      ...this.task(req, request),
      method: 'export',
      heldBy: { id: area.id, node },
      storeIds: [area.store.id],
    };
    await registry.beginImport(image.id, begun, contextOf(req));
    importer.begin(image.id);
    return begun.taskId;
  }

  private async create(
    req: Request,
    caller: Caller,
    properties: object,
    begun: BeginImport,
  ): Promise<string> {
    const { registry, schemas, creation, signatures, importer } = this.options;
    const body = parseNewImage(properties, schemas);
    const request = await creation.admit(body, caller, contextOf(req));
    const image = { ...request.image, id: request.image.id ?? randomUUID() };
    noteImage(image.id);
    checkHasFormats(image);
    const certificate = await signatures.certificateFor(image, req);
    const { limits } = request;
    await registry.createImage(
      {
        ...request,
        image,
        import: {
          ...begun,
          // A clone's input names the image that is cloned.
          input: { image_id: image.id, ...begun.input },
          deletesImage: true,
          ...(certificate === undefined ? {} : { certificate }),
          ...(limits ? { limits } : {}),
        },
      },
      contextOf(req),
    );
    failPoint('I1');
    importer.begin(image.id);
    return begun.taskId;
  }

  /** @throws DomainError unless the caller may have the data. */
  private async readable(imageId: string, req: Request, caller: Caller): Promise<ImageRecord> {
    const { registry, policy } = this.options;
    const image = await registry.getImage(imageId, contextOf(req));
    enforceOnImage(policy, 'download_image', caller, image);
    if (image.status === 'active') return image;
    const text = `Image ${imageId} is ${image.status}: only an active image has data to be taken`;
    throw new DomainError('conflict', text);
  }

  private task(req: Request, request: TaskRequest) {
    const { stores, timeToLiveHours } = this.options;
    const taskType: TaskType = request.type;
    return {
      ...taskOfImage(req, timeToLiveHours, request.input),
      taskType,
      storesAreNamed: stores.areNamed,
      allStoresMustSucceed: true,
    };
  }
}

function checkHasFormats(image: NewImage): void {
  const values = { disk_format: image.diskFormat, container_format: image.containerFormat };
  const missing = FORMATS.filter((name) => values[name] == null);
  if (missing.length === 0) return;
  throw new DomainError('invalid_request', `The image of the task needs ${missing.join(', ')}`);
}
