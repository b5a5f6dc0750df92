import { hasFourByteCharacter, invalidRequest, type UpdateImageRequest } from '@glance/common';
import type { Registry } from '@glance/registry-client';
import type { Request, Response } from 'express';
import { requireWriter } from '../auth/require-writer';
import { enforceOnImage } from '../policy/image-access';
import type { Policy } from '../policy/policy';
import { answerEmpty } from './answer';
import { contextOf } from '../auth/call-context';
import { findImage } from './find-image';

const MAX_TAG_LENGTH = 255;

export interface TagsControllerOptions {
  registry: Registry;
  policy: Policy;
  /** The most tags an image may have; null for no limit. */
  tagQuota: number | null;
}

/** Single tags of an image in API v2 (api-v2 sheet 1.2). Each method is one route. */
export class TagsController {
  constructor(private readonly options: TagsControllerOptions) {}

  /** A tag that is there already stays. */
  put = async (req: Request, res: Response): Promise<void> => {
    const tag = tagOf(req);
    if (tag.length > MAX_TAG_LENGTH) {
      throw invalidRequest(`A tag can't be longer than ${MAX_TAG_LENGTH} characters.`);
    }
    if (hasFourByteCharacter(tag)) {
      throw invalidRequest("A tag can't contain 4 byte unicode characters.");
    }
    await this.change(req, { addTags: [tag], tagQuota: this.options.tagQuota });
    answerEmpty(res, 204);
  };

  remove = async (req: Request, res: Response): Promise<void> => {
    await this.change(req, { removeTags: [tagOf(req)] });
    answerEmpty(res, 204);
  };

  private async change(req: Request, request: UpdateImageRequest): Promise<void> {
    const { registry, policy } = this.options;
    const caller = requireWriter(req);
    const image = await findImage(registry, req);
    enforceOnImage(policy, 'modify_image', caller, image);
    await registry.updateImage(image.id, request, contextOf(req));
  }
}

function tagOf(req: Request): string {
  return String(req.params['tag']);
}
