import type { ImageSignatures } from './signatures/image-signatures';
import type { CatalogReader } from './auth/service-catalog';
import type { Registry } from '@glance/registry-client';
import type { Logger } from '@glance/service-kit';
import type { StoreSet } from '@glance/stores';
import type { ImageCache } from './cache/image-cache';
import type { ApiConfig } from './config';
import type { ExternalSources } from './images/external-sources';
import type { ImageCopier } from './images/image-copier';
import type { ImageDataSource } from './images/open-image-data';
import type { ImportParts } from './imports/create-imports';
import type { PropertyDefinitions } from './images/property-definitions';
import type { LocationHasher } from './images/location-hasher';
import type { ImageUploader } from './images/upload-image';
import type { LimitSource } from './limits/project-limits';
import type { Policy } from './policy/policy';
import type { PropertyProtections } from './policy/property-protections';
import type { TransferAdmission } from './transfer/transfer-admission';
import type { DownloadReports } from './transfer/download-reports';

/** What every version of the API is made of. */
export interface ApiParts {
  config: ApiConfig;
  registry: Registry;
  stores: StoreSet;
  policy: Policy;
  protections: PropertyProtections;
  definitions: PropertyDefinitions;
  uploader: ImageUploader;
  externalSources: ExternalSources;
  copier: ImageCopier;
  hasher: LocationHasher;
  imports: ImportParts;
  /** Undefined where no identity comes with a service catalog. */
  readCatalog: CatalogReader | undefined;
  signatures: ImageSignatures;
  /** Names this process in leases. */
  node: string;
  /** Where downloads get their data. */
  imageData: ImageDataSource;
  downloads: DownloadReports;
  /** Undefined where there is none. */
  cache: ImageCache | undefined;
  /** Whether image data may be sent or taken now. */
  transfers: TransferAdmission;
  /** Bytes that the images of one project may take; null for no limit. */
  storageQuotaBytes: number | null;
  limits: LimitSource;
  logger: Logger;
  /** Where files that options name are looked for. */
  configDirectories: readonly string[];
  shutdown: AbortSignal;
}

/** A quota of -1 is none. */
export function limitOf(quota: number): number | null {
  return quota < 0 ? null : quota;
}

/** The names of formats that a deployment accepts. */
export function formatsOf({ image_format: { disk_formats, container_formats } }: ApiConfig) {
  return { diskFormats: disk_formats, containerFormats: container_formats };
}

/** Sizes of the pages of lists. */
export function listLimitsOf({ DEFAULT: options }: ApiConfig) {
  return { defaultLimit: options.limit_param_default, maxLimit: options.api_limit_max };
}
