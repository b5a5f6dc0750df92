import { DomainError, isDomainError, type SetImageStatus } from '@glance/common';
import type { Registry } from '@glance/registry-client';
import type { Request, Response } from 'express';
import { requireWriter } from '../auth/require-writer';
import { enforceOnImage } from '../policy/image-access';
import type { Policy } from '../policy/policy';
import { answerEmpty } from './answer';
import { contextOf } from '../auth/call-context';
import { findImage } from './find-image';

export interface ActionsControllerOptions {
  registry: Registry;
  policy: Policy;
}

/** Takes images out of use and back into it (api-v2 sheet 8.4). Each method is one route. */
export class ActionsController {
  constructor(private readonly options: ActionsControllerOptions) {}

  deactivate = async (req: Request, res: Response): Promise<void> => {
    await this.setStatus('deactivate', 'deactivated', req);
    answerEmpty(res, 204);
  };

  reactivate = async (req: Request, res: Response): Promise<void> => {
    await this.setStatus('reactivate', 'active', req);
    answerEmpty(res, 204);
  };

  private async setStatus(
    action: 'deactivate' | 'reactivate',
    status: SetImageStatus['status'],
    req: Request,
  ): Promise<void> {
    const { registry, policy } = this.options;
    const caller = requireWriter(req);
    const image = await findImage(registry, req);
    enforceOnImage(policy, action, caller, image);
    try {
      await registry.setImageStatus(image.id, { status }, contextOf(req));
    } catch (error) {
      if (!isDomainError(error, 'conflict')) throw error;
      const current = String(error.details['status']);
      throw new DomainError('forbidden', `Not allowed to ${action} image in status '${current}'`, {
        cause: error,
      });
    }
  }
}
