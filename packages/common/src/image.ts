import type { ImageStatus } from './image-status';

export const VISIBILITIES = ['public', 'community', 'shared', 'private'] as const;
export type Visibility = (typeof VISIBILITIES)[number];

/** A custom property. An array of pairs, never an object: names such as `__proto__` are data. */
export type ImageProperty = readonly [name: string, value: string | null];

export interface ImageLocation {
  id: number;
  /** A store URI. It may carry credentials: never log it, never show it to a client. */
  url: string;
  metadata: Record<string, unknown>;
  status: 'active' | 'pending_delete' | 'deleted';
}

export const MEMBER_STATUSES = ['pending', 'accepted', 'rejected'] as const;
export type MemberStatus = (typeof MEMBER_STATUSES)[number];

/** A project that an image is shared with. Times are as in {@link ImageRecord}. */
export interface ImageMember {
  memberId: string;
  /** Whether the member may share the image with others. */
  canShare: boolean;
  status: MemberStatus;
  /** When the project became a member, the last time if it was removed before. */
  createdAt: string;
  updatedAt: string;
}

/** The same membership seen from the member's side. */
export interface SharedImage {
  imageId: string;
  canShare: boolean;
  status: MemberStatus;
}

/** An image as the registry reports it. Times are UTC, `YYYY-MM-DDTHH:MM:SS`, no zone. */
export interface ImageRecord {
  id: string;
  name: string | null;
  status: ImageStatus;
  visibility: Visibility;
  owner: string | null;
  sizeBytes: number | null;
  virtualSizeBytes: number | null;
  diskFormat: string | null;
  containerFormat: string | null;
  /** MD5 of the data, hex. */
  checksum: string | null;
  hashAlgorithm: string | null;
  /** Digest of the data under `hashAlgorithm`, hex. */
  hashValue: string | null;
  /** GiB. */
  minDisk: number;
  /** MiB. */
  minRam: number;
  protected: boolean;
  hidden: boolean;
  deleted: boolean;
  createdAt: string;
  updatedAt: string;
  deletedAt: string | null;
  properties: ImageProperty[];
  tags: string[];
  /**
   * Live locations in the order they were added, and for admins those of a deleted image whose data
   * is still to be removed (`pending_delete`).
   */
  locations: ImageLocation[];
}

export const DEFAULT_DISK_FORMATS = [
  'ami',
  'ari',
  'aki',
  'vhd',
  'vhdx',
  'vmdk',
  'raw',
  'qcow2',
  'vdi',
  'iso',
  'ploop',
] as const;

export const DEFAULT_CONTAINER_FORMATS = [
  'ami',
  'ari',
  'aki',
  'bare',
  'ovf',
  'ova',
  'docker',
  'compressed',
] as const;

/** The largest value of an SQL INT column (`min_disk`, `min_ram`). */
export const MAX_INT32 = 2 ** 31 - 1;

/** Whether a property is the service's own: users neither set nor remove it, and it counts for no quota. */
export function isServiceProperty(name: string): boolean {
  return name.startsWith('os_glance');
}
