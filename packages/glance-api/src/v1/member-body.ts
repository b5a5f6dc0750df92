import { invalidRequest, type ReplaceMembers } from '@glance/common';

type Membership = ReplaceMembers['members'][number];

/**
 * The list that `PUT /v1/images/{id}/members` gives: `{"memberships": [...]}`, or one membership by
 * itself (api-v1 sheet §6).
 * @throws DomainError `invalid_request`
 */
export function parseMemberships(body: unknown): Membership[] {
  if (!isObject(body)) {
    throw invalidRequest('Unexpected body type. Expected a JSON object with memberships.');
  }
  const given = Object.hasOwn(body, 'memberships') ? body['memberships'] : [body];
  if (!Array.isArray(given)) {
    throw invalidRequest('Invalid membership association: memberships must be a list.');
  }
  return given.map(parseMembership);
}

/**
 * What `PUT /v1/images/{id}/members/{member}` says about sharing; undefined when it says nothing.
 * @throws DomainError `invalid_request`
 */
export function parseCanShare(body: unknown): boolean | undefined {
  if (body === undefined) return undefined;
  if (!isObject(body)) {
    throw invalidRequest('Unexpected body type. Expected a JSON object with a member.');
  }
  if (!Object.hasOwn(body, 'member')) return undefined;
  const { member } = body;
  if (!isObject(member)) {
    throw invalidRequest('Invalid membership association: member must be an object.');
  }
  return canShareOf(member);
}

function parseMembership(item: unknown): Membership {
  const memberId = isObject(item) && Object.hasOwn(item, 'member_id') ? item['member_id'] : null;
  if (!isObject(item) || typeof memberId !== 'string') {
    throw invalidRequest('Invalid membership association: member_id must be given, as text.');
  }
  const canShare = canShareOf(item);
  return canShare === undefined ? { memberId } : { memberId, canShare };
}

/** Any JSON value counts, by the truth it has for upstream: the text "false" is true. */
function canShareOf(member: Record<string, unknown>): boolean | undefined {
  if (!Object.hasOwn(member, 'can_share')) return undefined;
  const value = member['can_share'];
  if (Array.isArray(value)) return value.length > 0;
  if (isObject(value)) return Object.keys(value).length > 0;
  return Boolean(value);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
