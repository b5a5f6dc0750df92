import type { MemberStatus } from '../image';

export interface PutMember {
  /** Absent: as it is, or false for a new member. */
  canShare?: boolean;
  /** The most members an image may have; null for no limit. */
  memberQuota: number | null;
}

export interface ReplaceMembers {
  /** An id that is named twice is one member; what is said last counts. */
  members: { memberId: string; canShare?: boolean }[];
  /** The most members an image may have; null for no limit. */
  memberQuota: number | null;
}

export interface AddMember {
  memberId: string;
  /** The most members an image may have; null for no limit. */
  memberQuota: number | null;
}

/** A member's answer to the invitation. */
export interface SetMemberStatus {
  status: MemberStatus;
}
