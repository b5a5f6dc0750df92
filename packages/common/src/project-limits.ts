import { DomainError } from './errors';

/** The limits of a project, under the names that Keystone knows them by (api-v2 sheet §14). */
export const PROJECT_LIMIT_NAMES = {
  /** Data of images, each location counted. */
  imageSizeTotalBytes: 'image_size_total',
  /** Data of images that are staged or imported. */
  imageStageTotalBytes: 'image_stage_total',
  /** Images that are not deleted. */
  imageCountTotal: 'image_count_total',
  /** Images whose data is coming in, or is promised to be copied. */
  imageCountUploading: 'image_count_uploading',
} as const;

export type ProjectLimitName = keyof typeof PROJECT_LIMIT_NAMES;

/** What the images of one project may take in all. Absent or null: no limit. */
export type ProjectLimits = Partial<Record<ProjectLimitName, number | null>>;

/** What the images of one project take. */
export type ProjectUsage = Record<ProjectLimitName, number>;

/** Limits of bytes are told in these. */
export const MIB = 1024 ** 2;

/**
 * @param usage without what is asked for; bytes or images, as the limit.
 * @throws DomainError `quota_exceeded` in upstream's words when so much more is over the limit.
 */
export function checkProjectLimit(
  name: ProjectLimitName,
  limits: ProjectLimits | undefined,
  usage: number,
  delta: number,
): void {
  const limit = limits?.[name] ?? null;
  if (limit === null || usage + delta <= limit) return;
  const shown = shownAmounts(name, limit, usage, delta);
  throw new DomainError(
    'quota_exceeded',
    `Resource ${PROJECT_LIMIT_NAMES[name]} is over limit of ${shown.limit} due to current usage ${shown.usage} and delta ${shown.delta}`,
    { details: { resource: PROJECT_LIMIT_NAMES[name], ...shown } },
  );
}

/** Whole MiB of bytes. A part of one is part of the delta, so that the sum is over the limit. */
function shownAmounts(name: ProjectLimitName, limit: number, usage: number, delta: number) {
  if (name === 'imageCountTotal' || name === 'imageCountUploading') return { limit, usage, delta };
  const usageMiB = Math.floor(usage / MIB);
  return {
    limit: Math.floor(limit / MIB),
    usage: usageMiB,
    delta: Math.ceil((usage + delta) / MIB) - usageMiB,
  };
}
