import { DomainError, invalidRequest, type ImageRecord } from '@glance/common';
import type { InstrumentedStore, StoreSet } from '@glance/stores';
import type { Request } from 'express';
import type { ImportRequest } from '../imports/import-request';
import { importConflict } from '../imports/import-request';
import { recordedPlaces } from './image-locations';

/**
 * The stores that an import is to fill: rows 12 to 16 of the table of tasks sheet §5.
 * @returns none when an image is to be copied to all stores and is in all of them.
 * @throws DomainError `invalid_request`, `conflict`
 */
export function importTargets(
  req: Request,
  image: ImageRecord,
  request: ImportRequest,
  stores: StoreSet,
): string[] {
  const isCopy = request.method === 'copy-image';
  if (!stores.areNamed) {
    if (isCopy) throw importConflict('Copying needs several stores, and this site has one');
    if (!request.allStoresMustSucceed) {
      throw invalidRequest("'all_stores_must_succeed' can only be set with several stores");
    }
    return [stores.defaultStore.id];
  }
  const wanted = namedTargets(req, request, stores);
  if (!isCopy) return wanted;
  const places = stores.arrange(recordedPlaces(image));
  const holding = new Set(places.map(({ metadata }) => metadata['store']));
  const missing = wanted.filter((id) => !holding.has(id));
  if (!request.allStores && missing.length < wanted.length) {
    const held = wanted.filter((id) => holding.has(id)).join(', ');
    throw invalidRequest(`Image is already present at store '${held}'`);
  }
  return missing;
}

function namedTargets(req: Request, request: ImportRequest, stores: StoreSet): string[] {
  const header = req.get('x-image-meta-store');
  const named = header === undefined || header === '' ? undefined : [header];
  if (request.allStores) {
    if (request.stores !== undefined || named !== undefined) {
      throw invalidRequest(
        "All_stores parameter can't be used with x-image-meta-store header or stores parameter",
      );
    }
    return stores
      .list()
      .filter(takesData)
      .map(({ id }) => id);
  }
  if (request.stores !== undefined && named !== undefined) {
    throw invalidRequest("Stores parameter and x-image-meta-store header can't be both specified");
  }
  const wanted = request.stores ?? named ?? [stores.defaultStore.id];
  for (const id of wanted) {
    if (stores.list().some((store) => store.id === id && takesData(store))) continue;
    throw new DomainError('conflict', `Store ${id.slice(0, 100)} is not available on this node`);
  }
  return wanted;
}

function takesData({ capabilities }: InstrumentedStore): boolean {
  return capabilities.add;
}
