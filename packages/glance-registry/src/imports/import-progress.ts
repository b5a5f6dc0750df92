import { IMPORT_PROPERTIES, type ImageProperty } from '@glance/common';
import type { Repositories } from '../repositories';
import type { Import } from './import-repository';

/** What its events are called after. */
export function wordFor({ method }: Pick<Import, 'method'>): 'import' | 'export' {
  return method === 'export' ? 'export' : 'import';
}

/** Tells in the properties of the image which stores are still to be filled and which have failed. */
export async function showProgress(
  { properties }: Repositories,
  { imageId, method, targets, storesAreNamed }: Import,
  others: Readonly<Record<string, string>> = {},
): Promise<void> {
  // An export changes nothing of the image.
  if (method === 'export') return;
  const inState = (wanted: string): string =>
    storesAreNamed
      ? targets
          .filter(({ state }) => state === wanted)
          .map(({ storeId }) => storeId)
          .sort()
          .join(',')
      : '';
  const shown: ImageProperty[] = [
    [IMPORT_PROPERTIES.importingTo, inState('waiting')],
    [IMPORT_PROPERTIES.failed, inState('failed')],
    ...Object.entries(others),
  ];
  await properties.upsert(imageId, shown);
}
