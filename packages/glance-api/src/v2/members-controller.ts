import {
  DomainError,
  checkMemberId,
  isDomainError,
  type ImageMember,
  type ImageRecord,
} from '@glance/common';
import type { Registry } from '@glance/registry-client';
import type { Request, Response } from 'express';
import { identityOf } from '../auth/authenticate';
import type { Caller } from '../auth/caller';
import { requireWriter } from '../auth/require-writer';
import type { PolicyAction } from '../policy/default-rules';
import { enforceOnImage } from '../policy/image-access';
import { memberTarget } from '../policy/image-target';
import type { Policy } from '../policy/policy';
import { answerJson } from './answer';
import { contextOf } from '../auth/call-context';
import { findImage } from './find-image';
import { parseMemberStatus, parseNewMember } from './member-body';
import { memberView } from './member-view';

export interface MembersControllerOptions {
  registry: Registry;
  policy: Policy;
  /** The most members an image may have; null for no limit. */
  memberQuota: number | null;
}

/**
 * Sharing of images in API v2 (api-v2 sheet §7). Each method is one route. What a rule lets pass
 * here the registry still refuses to those whom it is not for.
 */
export class MembersController {
  constructor(private readonly options: MembersControllerOptions) {}

  /** Memberships that the caller may not see are left out without a word. */
  index = async (req: Request, res: Response): Promise<void> => {
    const { registry, policy } = this.options;
    const caller = identityOf(req);
    const image = await findImage(registry, req);
    enforceOnImage(policy, 'get_members', caller, image);
    requireShared(image);
    const members = await registry.listMembers(image.id, contextOf(req));
    answerJson(res, {
      members: members
        .filter((member) => this.maySee(image, member, caller))
        .map((member) => memberView(image.id, member)),
      schema: '/v2/schemas/members',
    });
  };

  create = async (req: Request, res: Response): Promise<void> => {
    const { registry, policy, memberQuota } = this.options;
    const memberId = parseNewMember(req.body);
    const caller = requireWriter(req);
    const image = await findImage(registry, req);
    enforceOnImage(policy, 'add_member', caller, image, memberTarget(image, memberId));
    requireShared(image);
    const request = { memberId, memberQuota };
    const member = await registry.addMember(image.id, request, contextOf(req));
    answerJson(res, memberView(image.id, member));
  };

  /** However the caller is refused: there is no such member. */
  show = async (req: Request, res: Response): Promise<void> => {
    const image = await findImage(this.options.registry, req);
    answerJson(res, memberView(image.id, await this.findMember(image, req)));
  };

  update = async (req: Request, res: Response): Promise<void> => {
    const status = parseMemberStatus(req.body);
    const { image, memberId } = await this.beginChange('modify_member', req);
    const { registry } = this.options;
    const member = await registry.setMemberStatus(image.id, memberId, { status }, contextOf(req));
    answerJson(res, memberView(image.id, member));
  };

  remove = async (req: Request, res: Response): Promise<void> => {
    const { image, memberId } = await this.beginChange('delete_member', req);
    await this.options.registry.removeMember(image.id, memberId, contextOf(req));
    res.status(204).end();
  };

  /** Who may not see a membership learns nothing from trying to change it. */
  private async beginChange(
    action: PolicyAction,
    req: Request,
  ): Promise<{ image: ImageRecord; memberId: string }> {
    const { registry, policy } = this.options;
    const caller = requireWriter(req);
    const image = await findImage(registry, req);
    // Whether it is shared is not for those whom the rules do not let see it.
    if (image.visibility !== 'shared') enforceOnImage(policy, action, caller, image);
    requireShared(image);
    const { memberId } = await this.findMember(image, req);
    enforceOnImage(policy, action, caller, image, memberTarget(image, memberId));
    return { image, memberId };
  }

  /** @throws DomainError `not_found` for a membership that the caller may not see, too. */
  private async findMember(image: ImageRecord, req: Request): Promise<ImageMember> {
    const memberId = String(req.params['member']);
    const absent = (cause?: unknown): DomainError =>
      new DomainError(
        'not_found',
        `${memberId} not found in the member list of the image ${image.id}.`,
        { cause },
      );
    let member: ImageMember;
    try {
      checkMemberId(memberId);
      member = await this.options.registry.getMember(image.id, memberId, contextOf(req));
    } catch (error) {
      throw isDomainError(error, 'not_found', 'invalid_request') ? absent(error) : error;
    }
    if (!this.maySee(image, member, identityOf(req))) throw absent();
    return member;
  }

  private maySee(image: ImageRecord, { memberId }: ImageMember, caller: Caller): boolean {
    return this.options.policy.permits('get_member', caller, memberTarget(image, memberId));
  }
}

/** @throws DomainError `forbidden` */
function requireShared({ visibility }: ImageRecord): void {
  if (visibility !== 'shared') {
    throw new DomainError('forbidden', 'Only shared images have members.');
  }
}
