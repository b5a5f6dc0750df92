import { DomainError } from '@glance/common';
import type { Registry } from '@glance/registry-client';
import type { Request, Response } from 'express';
import { identityOf } from '../auth/authenticate';
import { enforceOnImage } from '../policy/image-access';
import type { Policy } from '../policy/policy';
import { answerJson } from './answer';
import { findImage } from './find-image';

export interface DiscoveryControllerOptions {
  registry: Registry;
  policy: Policy;
}

/** What clients ask to learn what this site can do (api-v2 sheet §10). Each method is one route. */
export class DiscoveryController {
  constructor(private readonly options: DiscoveryControllerOptions) {}

  importMethods = (_req: Request, res: Response): void => {
    answerJson(res, {
      'import-methods': {
        description: 'Methods by which images can be imported',
        type: 'array',
        value: [],
      },
    });
  };

  /** What there is for sites with several stores, which this release has none of. */
  severalStores = (): never => {
    throw new DomainError('not_found', 'Multi backend is not supported at this site.');
  };

  /** No limits are kept in Keystone. */
  usage = (_req: Request, res: Response): void => {
    answerJson(res, { usage: {} });
  };

  /** Nothing is done in tasks. */
  tasks = async (req: Request, res: Response): Promise<void> => {
    const { registry, policy } = this.options;
    const image = await findImage(registry, req);
    try {
      enforceOnImage(policy, 'get_image', identityOf(req), image);
    } catch (error) {
      const text = `No image found with ID ${image.id}`;
      throw new DomainError('image_not_found', text, { cause: error });
    }
    answerJson(res, { tasks: [] });
  };
}
