/** Every value the `images.status` column may hold (schema sheet 4.1). */
export const IMAGE_STATUSES = [
  'queued',
  'saving',
  'uploading',
  'importing',
  'active',
  'deactivated',
  'killed',
  'pending_delete',
  'deleted',
] as const;

export type ImageStatus = (typeof IMAGE_STATUSES)[number];

/**
 * The one transition table of the service. The registry refuses every other change of status;
 * nobody else sets one.
 */
export const IMAGE_TRANSITIONS: Readonly<Record<ImageStatus, readonly ImageStatus[]>> = {
  queued: ['saving', 'uploading', 'importing', 'active', 'deleted'],
  saving: ['active', 'killed', 'queued', 'deleted', 'pending_delete'],
  uploading: ['importing', 'active', 'queued', 'deleted'],
  // An import that is deleted may have filled a store already.
  importing: ['active', 'queued', 'pending_delete', 'deleted'],
  // active → queued is an operator's repair after lost bytes; no API request takes it
  // (CVE-2016-0757).
  active: ['deactivated', 'pending_delete', 'deleted', 'queued'],
  deactivated: ['active', 'pending_delete', 'deleted'],
  killed: ['deleted'],
  pending_delete: ['active', 'deleted'],
  deleted: [],
};

export function canTransition(from: ImageStatus, to: ImageStatus): boolean {
  return IMAGE_TRANSITIONS[from].includes(to);
}

/** The statuses from which `to` may be reached: the condition of a compare-and-swap. */
export function statusesLeadingTo(to: ImageStatus): ImageStatus[] {
  return IMAGE_STATUSES.filter((from) => canTransition(from, to));
}
