/** Names the attempt that an object is of. */
export const UPLOAD_ID = 'glance-upload-id';

/** Who writes an object, and under which key. */
export interface ObjectName {
  key: string;
  uploadId: string;
}
