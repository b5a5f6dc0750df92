import { describeError } from '@glance/common';
import { CachedReading, type Logger, type Metrics, type Sample } from '@glance/service-kit';
import type { TransactionRunner } from '../db/transaction';
import type { Repositories } from '../repositories';
import { countImages, readImages, MOST_IMAGES, type ImageFacts } from './image-readings';

const MAX_AGE_MS = 60_000;
const PATIENCE_MS = 5000;
const VISIBILITIES = ['public', 'community', 'shared', 'private'];

/**
 * The series that openstack-exporter has of Glance, under its names and with its labels, so that
 * dashboards made for it go on. It asks the API for every image at each scrape.
 * @param perImage also those of single images.
 */
export function describeImages(
  { service: series, prefix }: Metrics,
  transactions: TransactionRunner<Repositories>,
  { perImage, logger }: { perImage: boolean; logger: Logger },
): void {
  const cached = <T>(read: (repositories: Repositories) => Promise<T>) =>
    new CachedReading({
      read: () => transactions.read({}, read),
      maxAgeMs: MAX_AGE_MS,
      patienceMs: PATIENCE_MS,
      onFailure: (error) => {
        logger.warn(`The images cannot be counted: ${describeError(error)}`);
      },
    });
  const counts = cached(({ connection, dialect }) => countImages(connection, dialect));
  series.gauge({
    name: 'openstack_glance_up',
    help: 'Whether the images could be counted (1) or not (0)',
    read: async () => [{ value: (await counts.get()) === undefined ? 0 : 1 }],
  });
  series.gauge({
    name: 'openstack_glance_images',
    help: 'Images that are neither deleted nor hidden',
    read: async () => {
      const found = await counts.get();
      return found ? [{ value: [...found.values()].reduce((sum, images) => sum + images, 0) }] : [];
    },
  });
  series.gauge({
    name: `${prefix}_images`,
    help: 'Images that are neither deleted nor hidden, by visibility',
    labels: ['visibility'],
    read: async () => {
      const found = await counts.get();
      if (!found) return [];
      return VISIBILITIES.map((visibility) => ({
        labels: { visibility },
        value: found.get(visibility) ?? 0,
      }));
    },
  });
  if (!perImage) return;
  const images = cached(({ connection }) => readImages(connection));
  const each = (sample: (image: ImageFacts) => Sample) => async (): Promise<Sample[]> =>
    ((await images.get()) ?? []).map(sample);
  series.gauge({
    name: 'openstack_glance_image_bytes',
    help: `Size of an image; of the newest ${MOST_IMAGES}`,
    labels: ['id', 'name', 'tenant_id'],
    read: each(({ id, name, owner, sizeBytes }) => ({
      labels: { id, name, tenant_id: owner },
      value: sizeBytes,
    })),
  });
  series.gauge({
    name: 'openstack_glance_image_created_at',
    help: `When an image was made, in seconds since 1970; of the newest ${MOST_IMAGES}`,
    labels: ['id', 'name', 'tenant_id', 'visibility', 'hidden', 'status'],
    read: each(({ id, name, owner, visibility, status, createdAtSeconds }) => ({
      labels: { id, name, tenant_id: owner, visibility, hidden: 'false', status },
      value: createdAtSeconds,
    })),
  });
}
