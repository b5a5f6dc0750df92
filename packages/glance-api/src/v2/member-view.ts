import type { ImageMember } from '@glance/common';
import { zulu } from './image-view';

/** A membership as API v2 shows it (api-v2 sheet §7). */
export function memberView(imageId: string, member: ImageMember): Record<string, unknown> {
  return {
    member_id: member.memberId,
    image_id: imageId,
    status: member.status,
    created_at: zulu(member.createdAt),
    updated_at: zulu(member.updatedAt),
    schema: '/v2/schemas/member',
  };
}
