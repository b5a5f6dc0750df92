import type { ImageProperty, LearnedFacts } from '@glance/common';
import type { ImageRow } from '../images/image-rows';
import type { Repositories } from '../repositories';

type FormatColumns = Pick<ImageRow, 'disk_format' | 'container_format'>;

/** What an image was before an import changed more of it than its data. */
export interface Unlearned {
  columns: FormatColumns;
  properties: ImageProperty[];
  /** Properties that it did not have. */
  absent: string[];
}

export function learnedColumns({
  diskFormat,
  containerFormat,
}: LearnedFacts): Partial<FormatColumns> {
  return {
    ...(diskFormat === undefined ? {} : { disk_format: diskFormat }),
    ...(containerFormat === undefined ? {} : { container_format: containerFormat }),
  };
}

/** Writes the properties. @returns how to take back all that was learned */
export async function learn(
  { properties }: Repositories,
  row: ImageRow,
  { properties: learned = [] }: LearnedFacts,
): Promise<Unlearned> {
  const { disk_format, container_format } = row;
  const before: Unlearned = {
    columns: { disk_format, container_format },
    properties: [],
    absent: [],
  };
  for (const [name] of learned) {
    const value = await properties.valueOf(row.id, name);
    if (value === undefined) before.absent.push(name);
    else before.properties.push([name, value]);
  }
  await properties.upsert(row.id, learned);
  return before;
}

/** @returns the columns to write */
export async function unlearn(
  { properties }: Repositories,
  imageId: string,
  before: Unlearned,
): Promise<FormatColumns> {
  const change = { set: before.properties, remove: before.absent };
  await properties.change(imageId, change, null);
  return before.columns;
}
