import { DomainError, isDomainError, type ImageMember, type ImageRecord } from '@glance/common';
import type { CallContext, Registry } from '@glance/registry-client';
import type { Request, RequestHandler, Response } from 'express';
import { identityOf } from '../auth/authenticate';
import { requireWriter } from '../auth/require-writer';
import type { PolicyAction } from '../policy/default-rules';
import type { Policy } from '../policy/policy';
import { changeTarget } from './change-target';
import { contextOf } from '../auth/call-context';
import { findImage } from './find-image';
import { parseCanShare, parseMemberships } from './member-body';

export interface MembersControllerOptions {
  registry: Registry;
  policy: Policy;
  /** The most members an image may have; null for no limit. */
  memberQuota: number | null;
}

/** Sharing of images in API v1 (api-v1 sheet §6). Each method is one route. */
export class MembersController {
  constructor(private readonly options: MembersControllerOptions) {}

  index = async (req: Request, res: Response): Promise<void> => {
    const { registry } = this.options;
    const { id } = await this.findImage(req, ['get_members']);
    const members = await registry.listMembers(id, contextOf(req));
    res.json({ members: members.map(memberView) });
  };

  /** Who asks comes before the body is read. */
  checkCaller: RequestHandler = (req, _res, next) => {
    const { isAdmin, projectId } = requireWriter(req);
    if (!isAdmin && projectId === null) {
      throw new DomainError('project_required', 'No authenticated user');
    }
    next();
  };

  replace = async (req: Request, res: Response): Promise<void> => {
    const { registry, memberQuota } = this.options;
    const members = parseMemberships(req.body);
    await this.change(
      ['add_member', 'delete_member', 'modify_member'],
      req,
      res,
      (imageId, context) => registry.replaceMembers(imageId, { members, memberQuota }, context),
    );
  };

  put = async (req: Request, res: Response): Promise<void> => {
    const { registry, memberQuota } = this.options;
    const canShare = parseCanShare(req.body);
    const request = { memberQuota, ...(canShare === undefined ? {} : { canShare }) };
    await this.change(['add_member', 'modify_member'], req, res, (imageId, context) =>
      registry.putMember(imageId, memberIdOf(req), request, context),
    );
  };

  remove = async (req: Request, res: Response): Promise<void> => {
    await this.change(['delete_member'], req, res, (imageId, context) =>
      this.options.registry.deleteMember(imageId, memberIdOf(req), context),
    );
  };

  sharedImages = async (req: Request, res: Response): Promise<void> => {
    const images = await this.options.registry.listSharedImages(memberIdOf(req), contextOf(req));
    res.json({
      shared_images: images.map(({ imageId, canShare }) => ({
        image_id: imageId,
        can_share: canShare,
      })),
    });
  };

  /** What the registry forbids is told as "not found", with the reason in the text. */
  private async change(
    actions: readonly PolicyAction[],
    req: Request,
    res: Response,
    call: (imageId: string, context: CallContext) => Promise<unknown>,
  ): Promise<void> {
    const { id } = await this.findImage(req, actions);
    try {
      await call(id, contextOf(req));
    } catch (error) {
      if (!isDomainError(error, 'forbidden')) throw error;
      throw new DomainError('not_found', `403 Forbidden: ${error.message}`, { cause: error });
    }
    res.status(204).end();
  }

  /** The image, if the rules let the caller do all of it. */
  private findImage(req: Request, actions: readonly PolicyAction[]): Promise<ImageRecord> {
    const caller = identityOf(req);
    return findImage(this.options.registry, req, (image) => {
      const target = changeTarget(image, caller);
      for (const action of actions) this.options.policy.enforce(action, caller, target);
    });
  }
}

function memberIdOf(req: Request): string {
  return String(req.params['member']);
}

function memberView({ memberId, canShare }: ImageMember) {
  return { member_id: memberId, can_share: canShare };
}
