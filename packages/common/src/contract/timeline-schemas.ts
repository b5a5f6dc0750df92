import Joi from 'joi';
import type { TimelineQuery } from './timeline-types';

export const timelineQuerySchema = Joi.object<TimelineQuery>({
  order: Joi.string().valid('asc', 'desc').required(),
  after: Joi.number().integer().min(0).max(Number.MAX_SAFE_INTEGER),
  limit: Joi.number().integer().min(0).max(10_000).required(),
});
