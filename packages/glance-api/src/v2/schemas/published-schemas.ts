import type { ImageSchemas } from './image-schemas';
import type { JsonSchema } from './image-schema';
import { MEMBER_SCHEMA, MEMBERS_SCHEMA } from './member-schema';
import { METADEF_SCHEMAS } from './metadef-schemas';
import { TASK_SCHEMA, TASKS_SCHEMA } from './task-schema';

/** By the last part of their paths, the documents below `/v2/schemas/` (api-v2 sheet 11.1). */
export function publishedSchemas(images: ImageSchemas): Readonly<Record<string, JsonSchema>> {
  return {
    image: images.image,
    images: images.images,
    member: MEMBER_SCHEMA,
    members: MEMBERS_SCHEMA,
    task: TASK_SCHEMA,
    tasks: TASKS_SCHEMA,
    ...METADEF_SCHEMAS,
  };
}
