import type { ProjectLimits } from '@glance/common';

/** Where the limits of projects are kept (api-v2 sheet §14). */
export interface LimitSource {
  /**
   * @param project null for images without an owner, which nothing limits.
   * @returns all limits of the project; undefined when none are kept anywhere.
   * @throws DomainError `identity_unavailable`, `identity_refused`, `registry_refused`,
   * `registry_unavailable`.
   */
  limitsOf(project: string | null): Promise<ProjectLimits | undefined>;
}

/** `use_keystone_limits = false` */
export const NO_LIMITS: LimitSource = { limitsOf: () => Promise.resolve(undefined) };

/** The limits that hold for an image of the project and for data that is not staged. */
export async function imageLimits(
  source: LimitSource,
  project: string | null,
): Promise<{ limits?: ProjectLimits }> {
  const limits = await source.limitsOf(project);
  if (!limits) return {};
  const { imageStageTotalBytes: _staged, ...others } = limits;
  return { limits: others };
}
