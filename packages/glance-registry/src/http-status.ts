import type { ErrorCode } from '@glance/common';
import { HTTP_STATUS } from '@glance/service-kit';

/** What the codes are on the internal contract; the client goes by the code in the body. */
export const INTERNAL_HTTP_STATUS: Readonly<Record<ErrorCode, number>> = {
  ...HTTP_STATUS,
  // 401 is about the service that calls, never about whom it calls for.
  project_required: 403,
  image_deleted: 410,
  image_pending_delete: 409,
  upload_fenced: 410,
};
