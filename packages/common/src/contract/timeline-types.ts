/**
 * One thing that happened to an image. Who did it is null for the service itself: its sweepers, and
 * the work of copies and imports.
 */
export interface TimelineEntry {
  /** From 1, in the order in which things happened to the image. */
  number: number;
  /** As in ImageRecord. */
  at: string;
  /** What it is about: `image`, `upload`, `staging`, `copy`, `check`, `import` or `member`. */
  event: string;
  /** How far that came: `started`, `stored`, `failed` and the like. */
  step: string;
  userId: string | null;
  projectId: string | null;
  requestId: string | null;
  /** The data that came; of a failure, as of the last sign of life of whoever brought it. */
  bytes: number | null;
  /** Why it failed, as far as users may know. */
  reason: string | null;
  /** The store that an import fills. */
  storeId: string | null;
  taskId: string | null;
  memberId: string | null;
}

/** A page of a timeline. */
export interface TimelineQuery {
  order: 'asc' | 'desc';
  /** The number of the entry after which the page starts. */
  after?: number;
  limit: number;
}

/** So many entries are kept of an image; older ones are forgotten. */
export const TIMELINE_LENGTH = 1000;
