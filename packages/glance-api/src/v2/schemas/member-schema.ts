import { MEMBER_STATUSES } from '@glance/common';
import { UUID_PATTERN, type JsonSchema } from './image-schema';

/** `/v2/schemas/member` (api-v2 sheet 11.1) */
export const MEMBER_SCHEMA: JsonSchema = {
  name: 'member',
  properties: {
    member_id: { type: 'string', description: 'Project that the image is shared with' },
    image_id: { type: 'string', description: 'The shared image', pattern: UUID_PATTERN },
    created_at: { type: 'string', description: 'When the project became a member' },
    updated_at: { type: 'string', description: 'When the membership was last changed' },
    status: {
      type: 'string',
      description: 'What the project answered to the offer of the image',
      enum: MEMBER_STATUSES,
    },
    schema: { type: 'string', description: 'Path of the schema of the member', readOnly: true },
  },
};

/** `/v2/schemas/members` */
export const MEMBERS_SCHEMA: JsonSchema = {
  name: 'members',
  properties: {
    members: { type: 'array', items: MEMBER_SCHEMA },
    schema: { type: 'string' },
  },
  links: [{ rel: 'describedby', href: '{schema}' }],
};
