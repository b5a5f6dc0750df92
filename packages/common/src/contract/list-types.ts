import type { ImageProperty, MemberStatus, Visibility } from '../image';

export const IMAGE_SORT_KEYS = [
  'name',
  'status',
  'containerFormat',
  'diskFormat',
  'sizeBytes',
  'id',
  'createdAt',
  'updatedAt',
] as const;
export type ImageSortKey = (typeof IMAGE_SORT_KEYS)[number];
export type SortDirection = 'asc' | 'desc';

export const TIME_OPERATORS = ['gt', 'gte', 'lt', 'lte', 'eq', 'neq'] as const;
export type TimeOperator = (typeof TIME_OPERATORS)[number];

export interface ImageListQuery {
  /**
   * `caller`: what an ordinary user of the caller's project sees (public, own, shared with it), for
   * an admin too. `all`: every project's images; refused to anyone but an admin.
   */
  scope: 'caller' | 'all';
  /** Narrows to these. Absent: any, but community images of others stay out. */
  visibility?: Visibility[];
  /** Which memberships make a shared image visible in the list. */
  memberStatus: MemberStatus | 'all';
  /** `false` hides deleted rows and killed images; `any` shows all. */
  deleted: false | true | 'any';
  hidden?: boolean;
  /** Each is "one of these texts". */
  id?: string[];
  name?: string[];
  status?: string[];
  containerFormat?: string[];
  diskFormat?: string[];
  owner?: string;
  checksum?: string;
  hashAlgorithm?: string;
  hashValue?: string;
  minDisk?: number;
  minRam?: number;
  sizeBytes?: number;
  virtualSizeBytes?: number;
  protected?: boolean;
  /** Bounds are inclusive. What has no size is within none. */
  sizeMin?: number;
  sizeMax?: number;
  virtualSizeMin?: number;
  virtualSizeMax?: number;
  /** GiB. */
  minDiskMin?: number;
  minDiskMax?: number;
  /** MiB. */
  minRamMin?: number;
  minRamMax?: number;
  /** `updatedAt` strictly after this wire time. */
  changesSince?: string;
  createdAt?: { operator: TimeOperator; value: string };
  updatedAt?: { operator: TimeOperator; value: string };
  /** All of them, name and value exact. */
  properties?: ImageProperty[];
  /** All of them. */
  tags?: string[];
  /** `createdAt` and `id` are appended, in the last direction given (default desc). */
  sort: { key: ImageSortKey; direction: SortDirection }[];
  limit: number;
  /**
   * The id after which the page starts. `invalid_request` when there is no such image, or a deleted
   * one where the caller lists none of those; `forbidden` with the id as detail `marker` when there
   * is one that the caller may not see.
   */
  marker?: string;
}
