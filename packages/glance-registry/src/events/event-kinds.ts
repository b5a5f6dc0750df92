/**
 * What can happen to an image, and what is announced of it (api-v2 sheet §15, tasks sheet §1). A
 * name is `event.step` of the timeline: both are stored, so none is ever renamed. A new kind is a
 * line here; whoever changes the image says `events.record(…)` in the same transaction.
 */

export type Payload = 'image' | 'transfer' | 'failure' | 'member' | 'task';
export type Priority = 'INFO' | 'ERROR';

export interface Announced {
  type: string;
  priority: Priority;
  payload: Payload;
}

const info = (type: string, payload: Payload): Announced => ({ type, priority: 'INFO', payload });

const CREATE = info('image.create', 'image');
const UPDATE = info('image.update', 'image');
const ACTIVATE = info('image.activate', 'image');
const DELETE = info('image.delete', 'image');
const PREPARE = info('image.prepare', 'transfer');
const UPLOAD = info('image.upload', 'transfer');
const UPLOAD_FAILED: Announced = { type: 'image.upload', priority: 'ERROR', payload: 'failure' };
const task = (step: string): Announced => info(`task.${step}`, 'task');
const member = (change: string): Announced => info(`image.member.${change}`, 'member');

const KINDS = {
  'image.created': [CREATE],
  'image.updated': [UPDATE],
  // With data that lies elsewhere.
  'image.activated': [ACTIVATE],
  'image.deactivated': [UPDATE],
  'image.reactivated': [UPDATE],
  'image.deleted': [DELETE],
  // The data of a deleted image is gone.
  'image.erased': [],
  'image.restored': [UPDATE],

  'upload.started': [UPDATE, PREPARE],
  'upload.stored': [UPLOAD, ACTIVATE, UPDATE],
  'upload.failed': [UPLOAD_FAILED, UPDATE],
  'staging.started': [UPDATE],
  'staging.stored': [UPDATE],
  'staging.failed': [UPDATE],
  'copy.started': [UPDATE, PREPARE],
  'copy.stored': [UPLOAD, ACTIVATE, UPDATE],
  'copy.failed': [UPLOAD_FAILED, UPDATE],
  // Another process goes on with it.
  'copy.interrupted': [UPDATE],
  'check.started': [UPDATE],
  'check.stored': [ACTIVATE, UPDATE],
  'check.failed': [UPDATE],
  'check.interrupted': [UPDATE],

  'import.accepted': [UPDATE, task('create')],
  'import.started': [task('run'), task('processing')],
  'import.filling': [PREPARE],
  'import.filled': [UPLOAD, UPDATE],
  'import.activated': [ACTIVATE],
  'import.interrupted': [],
  'import.store_failed': [UPLOAD_FAILED, UPDATE],
  'import.finished': [task('success')],
  'import.failed': [task('failure'), UPDATE],

  // To a file, which leaves the image as it is.
  'export.accepted': [task('create')],
  'export.started': [task('run'), task('processing')],
  'export.interrupted': [],
  'export.finished': [task('success')],
  'export.failed': [task('failure')],

  'member.added': [member('create')],
  'member.updated': [member('update')],
  'member.removed': [member('delete')],
} as const satisfies Readonly<Record<string, readonly Announced[]>>;

export type EventKind = keyof typeof KINDS;

export function announcedOf(kind: EventKind): readonly Announced[] {
  return KINDS[kind];
}

/** The two words of a kind. */
export function wordsOf(kind: EventKind): { event: string; step: string } {
  const [event = '', step = ''] = kind.split('.');
  return { event, step };
}
