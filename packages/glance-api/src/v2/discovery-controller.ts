import {
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
import { answerJson } from './answer';

export interface DiscoveryControllerOptions {
  registry: Registry;
  limits: LimitSource;
  importMethods: readonly string[];
}

/** What clients ask to learn what this site can do (api-v2 sheet §10). Each method is one route. */
export class DiscoveryController {
  constructor(private readonly options: DiscoveryControllerOptions) {}

  importMethods = (_req: Request, res: Response): void => {
    answerJson(res, {
      'import-methods': {
        description: 'Import methods available.',
        type: 'array',
        value: this.options.importMethods,
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
