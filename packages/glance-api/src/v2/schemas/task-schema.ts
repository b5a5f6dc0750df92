import { TASK_STATUSES, TASK_TYPES } from '@glance/common';
import { UUID_PATTERN, collectionSchema, type JsonSchema } from './image-schema';

/** `/v2/schemas/task` (tasks sheet §1) */
export const TASK_SCHEMA: JsonSchema = {
  name: 'task',
  properties: {
    id: { type: 'string', description: 'An identifier for the task', pattern: UUID_PATTERN },
    type: {
      type: 'string',
      description: 'What the task does',
      enum: [...TASK_TYPES, 'api_image_import', 'location_import'],
    },
    status: { type: 'string', description: 'How far the task is', enum: TASK_STATUSES },
    input: { type: ['null', 'object'], description: 'What the task was told to do' },
    result: { type: ['null', 'object'], description: 'What came of the task, once it succeeded' },
    owner: { type: 'string', description: 'The project that the task belongs to' },
    message: { type: 'string', description: 'How far the task is, or why it failed' },
    image_id: { type: 'string', description: 'The image that the task works on' },
    request_id: { type: 'string', description: 'The request that the task carries out' },
    user_id: { type: 'string', description: 'Who made that request' },
    expires_at: { type: 'string', description: 'When the task is forgotten, once it has ended' },
    created_at: { type: 'string', description: 'When the task was made' },
    updated_at: { type: 'string', description: 'When the task was last changed' },
    self: { type: 'string', readOnly: true, description: 'Path of the task' },
    schema: { type: 'string', readOnly: true, description: 'Path of the schema of the task' },
  },
};

/** `/v2/schemas/tasks` */
export const TASKS_SCHEMA = collectionSchema('tasks', { type: 'array', items: TASK_SCHEMA });
