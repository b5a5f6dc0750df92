import { MEMBER_STATUSES, checkMemberId, invalidRequest, type MemberStatus } from '@glance/common';

/**
 * The project that `POST /v2/images/{id}/members` names.
 * @throws DomainError `invalid_request`, also for an id that no member can have.
 */
export function parseNewMember(body: unknown): string {
  const member = fieldOf(body, 'member');
  if (typeof member !== 'string' || member === '') {
    throw invalidRequest('Expected the member to add in the form {"member": "PROJECT ID"}.');
  }
  checkMemberId(member);
  return member;
}

/**
 * The answer that `PUT /v2/images/{id}/members/{member}` gives.
 * @throws DomainError `invalid_request`
 */
export function parseMemberStatus(body: unknown): MemberStatus {
  const status = fieldOf(body, 'status');
  const known = MEMBER_STATUSES.find((each) => each === status);
  if (known === undefined) {
    throw invalidRequest(
      `Expected the status of the member in the form {"status": "STATUS"}, where STATUS is one of: ${MEMBER_STATUSES.join(', ')}.`,
    );
  }
  return known;
}

function fieldOf(body: unknown, name: string): unknown {
  if (typeof body !== 'object' || body === null || !Object.hasOwn(body, name)) return undefined;
  return (body as Record<string, unknown>)[name];
}
