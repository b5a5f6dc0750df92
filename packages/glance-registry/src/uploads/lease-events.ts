import type { EventKind } from '../events/event-kinds';
import type { LeaseKind } from './lease-repository';

interface LeaseEvents {
  started: EventKind;
  stored: EventKind;
  failed: EventKind;
  /** It goes on elsewhere; what a client sends cannot. */
  interrupted: EventKind;
}

/** How the timeline of an image tells of what is done under a lease. */
export const LEASE_EVENTS: Readonly<Record<LeaseKind, LeaseEvents>> = {
  upload: {
    started: 'upload.started',
    stored: 'upload.stored',
    failed: 'upload.failed',
    interrupted: 'upload.failed',
  },
  stage: {
    started: 'staging.started',
    stored: 'staging.stored',
    failed: 'staging.failed',
    interrupted: 'staging.failed',
  },
  copy: {
    started: 'copy.started',
    stored: 'copy.stored',
    failed: 'copy.failed',
    interrupted: 'copy.interrupted',
  },
  check: {
    started: 'check.started',
    stored: 'check.stored',
    failed: 'check.failed',
    interrupted: 'check.interrupted',
  },
  import: {
    started: 'import.filling',
    stored: 'import.filled',
    failed: 'import.store_failed',
    interrupted: 'import.interrupted',
  },
  image_copy: {
    started: 'import.filling',
    stored: 'import.filled',
    failed: 'import.store_failed',
    interrupted: 'import.interrupted',
  },
};
