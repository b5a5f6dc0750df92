import Joi from 'joi';
import {
  MAX_REPORTED_DOWNLOADS,
  type DownloadReport,
  type ReportDownloads,
} from './download-types';
import { bytes, text, uuid } from './schema-parts';

export const reportDownloadsSchema = Joi.object<ReportDownloads>({
  downloads: Joi.array()
    .items(
      Joi.object<DownloadReport>({
        imageId: uuid.required(),
        owner: text(255).allow(null).required(),
        bytesSent: bytes.required(),
        bytesExpected: bytes.required(),
        userId: text(255).allow(null).required(),
        projectId: text(255).allow(null).required(),
        address: text(64).allow(null).required(),
      }),
    )
    .max(MAX_REPORTED_DOWNLOADS)
    .required(),
});
