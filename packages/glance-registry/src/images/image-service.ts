import { randomUUID } from 'node:crypto';
import {
  DomainError,
  imageNotFound,
  invalidRequest,
  type CreateImageRequest,
  type CreateImageResult,
  type ExternalData,
  type Identity,
  type ImageFields,
  type ImageListQuery,
  type ImageRecord,
  type NewImage,
  type RecordHashes,
  type SetImageStatus,
  type UpdateImageRequest,
} from '@glance/common';
import type { CallScope, TransactionRunner } from '../db/transaction';
import type { ImageEvent } from '../events/event-log';
import { toNumberOrNull } from '../db/values';
import { requireService } from '../http/require-service';
import { Accounts, countedBytes } from '../quota/accounts';
import { checkImageCount } from '../quota/check-limits';
import { acceptImport } from '../imports/import-service';
import type { Repositories } from '../repositories';
import { claimUpload } from '../uploads/claim-upload';
import { listImageRows } from './image-list';
import type { LockedImage } from './image-repository';
import { attachExternalData } from './external-data';
import { changeLocations } from './change-locations';
import { present, requireChangeable, requireFound } from './image-rights';
import { toImageColumns } from './image-rows';
import { mayOnlyRead, projectOf } from './visibility';

/** Reading, creating and updating images, as the `Registry` of @glance/registry-client promises. */
export class ImageService {
  constructor(private readonly transactions: TransactionRunner<Repositories>) {}

  async get(id: string, identity: Identity, scope: CallScope): Promise<ImageRecord> {
    return await this.transactions.read(scope, async ({ images }) => {
      const record = await images.findVisible(id, identity);
      if (!record) throw imageNotFound(id);
      return present(record, identity);
    });
  }

  async list(query: ImageListQuery, identity: Identity, scope: CallScope): Promise<ImageRecord[]> {
    return await this.transactions.read(scope, async ({ connection, dialect, images }) => {
      const rows = await listImageRows(connection, dialect, query, identity);
      const records = await images.toRecords(rows);
      return records.map((record) => present(record, identity));
    });
  }

  async create(
    { image, upload, import: wanted, limits, ...data }: CreateImageRequest,
    identity: Identity,
    scope: CallScope,
  ): Promise<CreateImageResult> {
    if (identity.readOnly) throw mayOnlyRead();
    if (upload !== undefined && !identity.isAdmin && projectOf(identity) === null) {
      // Ownerless images are changed by admins only: the caller could begin, and never finish.
      throw new DomainError('forbidden', 'Only a member of a project may upload an image.');
    }
    checkFirstStatus(image, upload !== undefined);
    return await this.transactions.write(scope, async (repositories) => {
      const { images, properties, tags, events } = repositories;
      const id = image.id ?? randomUUID();
      const columns = toImageColumns({ ...image, owner: ownerOfNew(image, identity) });
      const status = upload === undefined ? (image.status ?? 'queued') : 'saving';
      await images.insert(id, status, columns);
      await properties.upsert(id, image.properties ?? []);
      await tags.insert(id, image.tags ?? []);
      const owner = columns['owner'] as string | null;
      await checkImageCount(repositories, owner, limits);
      const lease =
        upload === undefined ? null : await claimUpload(repositories, id, owner, upload);
      const activated = await attachExternalData(repositories, id, owner, data, limits);
      const record = requireFound(await images.find(id));
      checkPropertiesStored(record, image.properties ?? []);
      const happened: ImageEvent[] = [{ kind: 'image.created' }];
      if (lease) happened.push({ kind: 'upload.started' });
      if (activated) happened.push({ kind: 'image.activated', bytes: record.sizeBytes });
      await events.record(id, happened, record);
      if (!wanted) return { image: present(record, identity), lease };
      const locked = requireChangeable(await images.lock(id, identity), id, identity);
      await acceptImport(repositories, locked, wanted);
      return { image: present(requireFound(await images.find(id)), identity), lease };
    });
  }

  async update(
    id: string,
    request: UpdateImageRequest,
    identity: Identity,
    scope: CallScope,
  ): Promise<ImageRecord> {
    return await this.transactions.write(scope, async (repositories) => {
      const { images, properties, tags, copies, events } = repositories;
      const image = requireChangeable(await images.lock(id, identity), id, identity);
      const imageId = image.row.id;
      const columns = toImageColumns(changeableFields(request.fields ?? {}, identity));
      await moveUsage(repositories, image, columns);
      const ifStatus = hasExternalData(request) ? (['queued'] as const) : request.ifStatus;
      if (!(await images.update(imageId, columns, ifStatus))) {
        throw new DomainError('conflict', 'Image operation conflicts', {
          details: { imageId, status: image.row.status },
        });
      }
      if (request.unlessPromised === true && (await copies.taskOf(imageId)) !== undefined) {
        throw new DomainError('conflict', 'Image has active task', { details: { imageId } });
      }
      if (request.properties) {
        await properties.change(imageId, request.properties, request.propertyQuota ?? null);
      }
      if (request.tags) await tags.replace(imageId, request.tags);
      if (request.addTags || request.removeTags) {
        const { addTags = [], removeTags = [], tagQuota = null } = request;
        await tags.change(imageId, { add: addTags, remove: removeTags, quota: tagQuota });
      }
      if (request.locations) {
        await changeLocations(repositories, image, request.locations, request.limits);
      }
      const owner = 'owner' in columns ? (columns['owner'] as string | null) : image.row.owner;
      const activated = await attachExternalData(
        repositories,
        imageId,
        owner,
        request,
        request.limits,
      );
      const record = requireFound(await images.find(imageId));
      checkPropertiesStored(record, request.properties?.set ?? []);
      const happened: ImageEvent[] = [{ kind: 'image.updated' }];
      if (activated) happened.push({ kind: 'image.activated', bytes: record.sizeBytes });
      await events.record(imageId, happened, record);
      return present(record, identity);
    });
  }

  /** What was read from a location after the image had become active with it. */
  async recordHashes(
    id: string,
    { locationUrl, sizeBytes, checksum, hash }: RecordHashes,
    identity: Identity,
    scope: CallScope,
  ): Promise<boolean> {
    requireService(identity);
    return await this.transactions.write(scope, async ({ images, locations, events }) => {
      const image = await images.lock(id, identity);
      if (image?.row.status !== 'active' || image.row.deleted !== 0) return false;
      const { row } = image;
      if (row.checksum !== null || row.os_hash_value !== null) return false;
      const live = await locations.findActive(row.id);
      const isThere = live.some(({ url }) => url === locationUrl);
      if (!isThere || toNumberOrNull(row.size) !== sizeBytes) return false;
      await images.update(row.id, {
        checksum,
        os_hash_algo: hash.algorithm,
        os_hash_value: hash.value,
      });
      await events.record(row.id, [{ kind: 'image.updated' }]);
      return true;
    });
  }

  /** Takes an image out of use or back into it. What is so already is not changed nor announced. */
  async setStatus(
    id: string,
    { status }: SetImageStatus,
    identity: Identity,
    scope: CallScope,
  ): Promise<ImageRecord> {
    return await this.transactions.write(scope, async ({ images, events }) => {
      const { row } = requireChangeable(await images.lock(id, identity), id, identity);
      if (row.status !== status) {
        const from = status === 'active' ? 'deactivated' : 'active';
        if (!(await images.transition(row.id, [from], status))) {
          const change = status === 'active' ? 'reactivate' : 'deactivate';
          throw new DomainError(
            'conflict',
            `Not allowed to ${change} image in status '${row.status}'`,
            { details: { imageId: row.id, status: row.status } },
          );
        }
      }
      const record = requireFound(await images.find(row.id));
      if (row.status !== status) {
        const kind = status === 'active' ? 'image.reactivated' : 'image.deactivated';
        await events.record(row.id, [{ kind }], record);
      }
      return present(record, identity);
    });
  }
}

/** An image starts without data: it is `active` at once only when it has no bytes at all. */
function checkFirstStatus(image: NewImage, withUpload: boolean): void {
  if (image.status !== 'active') return;
  if (image.sizeBytes !== 0 || withUpload) {
    throw invalidRequest('Only an image of no bytes may be active from the start');
  }
}

function hasExternalData({ location, copyFrom, register }: ExternalData): boolean {
  return [location, copyFrom, register].some((each) => each !== undefined);
}

/** Registry sheet §3.1: ordinary users own what they create, admins say who does. */
function ownerOfNew(image: NewImage, identity: Identity): string | null {
  return identity.isAdmin && image.owner !== undefined ? image.owner : projectOf(identity);
}

function changeableFields({ owner, ...fields }: ImageFields, identity: Identity): ImageFields {
  return owner === undefined || !identity.isAdmin ? fields : { ...fields, owner };
}

/** Data that is there goes with the image to its new owner, and by its new size. */
async function moveUsage(
  { usage }: Repositories,
  { row, storedLocations }: LockedImage,
  columns: Readonly<Record<string, string | number | null>>,
): Promise<void> {
  if (storedLocations === 0 || !('owner' in columns || 'size' in columns)) return;
  const after: LockedImage['row'] = { ...row, ...columns };
  const accounts = await Accounts.open(usage, [row.owner, after.owner]);
  await accounts.add(row.owner, { usedBytes: -countedBytes(row, storedLocations) });
  await accounts.add(after.owner, { usedBytes: countedBytes(after, storedLocations) });
}

/**
 * On MySQL names that differ in case or accents only are one name (schema sheet §1): refused here,
 * because one of them would be lost.
 */
function checkPropertiesStored(
  record: ImageRecord,
  set: readonly (readonly [string, string | null])[],
): void {
  const stored = new Map(record.properties);
  for (const [name] of set) {
    if (!stored.has(name)) {
      throw invalidRequest(`Property name '${name}' is the same as another one to the database`);
    }
  }
}
