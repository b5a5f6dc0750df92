import Joi from 'joi';
import { MEMBER_STATUSES } from '../image';
import type { AddMember, PutMember, ReplaceMembers, SetMemberStatus } from './member-types';
import { checkAgainst, quota, text } from './schema-parts';

/** A project as it stands in a URL: dots alone would be taken for a relative path. */
const memberId = text(255)
  .invalid('', '.', '..')
  .custom((value: string, helpers) =>
    /\p{Surrogate}/u.test(value)
      ? helpers.message({ custom: '{{#label}} is not valid text' })
      : value,
  );

const memberSchema = Joi.object<{ memberId: string }>({ memberId: memberId.required() });

export const putMemberSchema = Joi.object<PutMember>({
  canShare: Joi.boolean(),
  memberQuota: quota.required(),
});

export const replaceMembersSchema = Joi.object<ReplaceMembers>({
  members: Joi.array()
    .items(Joi.object({ memberId: memberId.required(), canShare: Joi.boolean() }))
    .max(5000)
    .required(),
  memberQuota: quota.required(),
});

export const addMemberSchema = Joi.object<AddMember>({
  memberId: memberId.required(),
  memberQuota: quota.required(),
});

export const setMemberStatusSchema = Joi.object<SetMemberStatus>({
  status: Joi.string()
    .valid(...MEMBER_STATUSES)
    .required(),
});

/** @throws DomainError `invalid_request` for an id that no member can have. */
export function checkMemberId(memberId: string): void {
  checkAgainst(memberSchema, { memberId });
}
