import {
  DomainError,
  MIB,
  PROJECT_LIMIT_NAMES,
  type ProjectLimitName,
  type ProjectLimits,
  type ProjectUsage,
} from '@glance/common';
import type { Registry } from '@glance/registry-client';
import type { Request, Response } from 'express';
import { identityOf } from '../auth/authenticate';
import { contextOf } from '../auth/call-context';
import type { LimitSource } from '../limits/project-limits';
import { enforceOnImage } from '../policy/image-access';
import type { Policy } from '../policy/policy';
import { answerJson } from './answer';
import { findImage } from './find-image';

export interface DiscoveryControllerOptions {
  registry: Registry;
  policy: Policy;
  limits: LimitSource;
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

  /** Of the caller's project; nothing when there are no limits to use. */
  usage = async (req: Request, res: Response): Promise<void> => {
    const { registry, limits: source } = this.options;
    const limits = await source.limitsOf(identityOf(req).projectId);
    const usage = limits && usageView(limits, await registry.getUsage(contextOf(req)));
    answerJson(res, { usage: usage ?? {} });
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

/** Data in whole MiB; -1 where there is no limit, as Keystone says it. */
function usageView(limits: ProjectLimits, usage: ProjectUsage) {
  const shown = (name: ProjectLimitName, amount: number): number =>
    name === 'imageSizeTotalBytes' || name === 'imageStageTotalBytes'
      ? Math.floor(amount / MIB)
      : amount;
  const names = Object.keys(PROJECT_LIMIT_NAMES) as ProjectLimitName[];
  return Object.fromEntries(
    names.map((name) => {
      const limit = limits[name] ?? null;
      return [
        PROJECT_LIMIT_NAMES[name],
        { usage: shown(name, usage[name]), limit: limit === null ? -1 : shown(name, limit) },
      ];
    }),
  );
}
