import { invalidRequest, type TimelineEntry, type TimelineQuery } from '@glance/common';
import type { Registry } from '@glance/registry-client';
import type { Request, Response } from 'express';
import { identityOf } from '../auth/authenticate';
import { contextOf } from '../auth/call-context';
import { enforceOnImage } from '../policy/image-access';
import type { Policy } from '../policy/policy';
import { answerJson } from './answer';
import { findImage } from './find-image';
import type { ListLimits } from './list-query';

export interface TimelineControllerOptions {
  registry: Registry;
  policy: Policy;
  listLimits: ListLimits;
}

/** What happened to an image: an addition of our own, for its owner and administrators. */
export class TimelineController {
  constructor(private readonly options: TimelineControllerOptions) {}

  show = async (req: Request, res: Response): Promise<void> => {
    const { registry, policy, listLimits } = this.options;
    const { searchParams } = new URL(req.originalUrl, 'http://localhost');
    const query = parseQuery(searchParams, listLimits);
    const image = await findImage(registry, req);
    enforceOnImage(policy, 'get_image_timeline', identityOf(req), image);
    const entries = await registry.listTimeline(image.id, query, contextOf(req));
    const last = entries.at(-1);
    const pathOf = (parameters: URLSearchParams): string => {
      const path = `/v2/images/${image.id}/timeline`;
      return parameters.size === 0 ? path : `${path}?${parameters.toString()}`;
    };
    searchParams.delete('marker');
    answerJson(res, {
      timeline: entries.map(entryView),
      first: pathOf(searchParams),
      ...(last !== undefined && entries.length === query.limit
        ? { next: pathOf(new URLSearchParams([...searchParams, ['marker', String(last.number)]])) }
        : {}),
    });
  };
}

/** @throws DomainError `invalid_request` */
function parseQuery(
  parameters: URLSearchParams,
  { defaultLimit, maxLimit }: ListLimits,
): TimelineQuery {
  const numberOf = (name: string): number | undefined => {
    const text = parameters.get(name);
    if (text === null) return undefined;
    if (/^\d{1,9}$/.test(text)) return Number(text);
    throw invalidRequest(`${name} must be an integer that is not negative`);
  };
  const order = parameters.get('sort_dir') ?? 'asc';
  if (order !== 'asc' && order !== 'desc') throw invalidRequest('sort_dir must be asc or desc');
  const after = numberOf('marker');
  return {
    order,
    limit: Math.min(numberOf('limit') ?? defaultLimit, maxLimit),
    ...(after === undefined ? {} : { after }),
  };
}

function entryView(entry: TimelineEntry) {
  const { storeId, taskId, memberId } = entry;
  return {
    number: entry.number,
    at: `${entry.at}Z`,
    event: entry.event,
    step: entry.step,
    user_id: entry.userId,
    project_id: entry.projectId,
    request_id: entry.requestId,
    bytes: entry.bytes,
    reason: entry.reason,
    ...(storeId === null ? {} : { store: storeId }),
    ...(taskId === null ? {} : { task_id: taskId }),
    ...(memberId === null ? {} : { member_id: memberId }),
  };
}
