import {
  DomainError,
  SERVICE_IDENTITY,
  invalidRequest,
  redactUri,
  type DataHash,
  type ExternalData,
  type ImageRecord,
  type TaskOfImage,
} from '@glance/common';
import type { CallContext, Registry } from '@glance/registry-client';
import type { StoreSet } from '@glance/stores';
import type { Request, Response } from 'express';
import { identityOf } from '../auth/authenticate';
import type { Caller } from '../auth/caller';
import { requireWriter } from '../auth/require-writer';
import type { ExternalSources } from '../images/external-sources';
import type { ImageCopier } from '../images/image-copier';
import type { LocationHasher } from '../images/location-hasher';
import { imageLimits, type LimitSource } from '../limits/project-limits';
import { enforceOnImage } from '../policy/image-access';
import type { Policy } from '../policy/policy';
import { answerEmpty, answerJson } from './answer';
import { contextOf } from '../auth/call-context';
import { findImage } from './find-image';
import { checkFormatsSet, locationViews, probeLocation } from './image-locations';
import { ANNOUNCED_HASHES, LOCATION_REQUEST_SCHEMA } from './schemas/location-schema';
import { SchemaCheck } from './schemas/schema-check';
import { taskOfImage } from './task-of-image';

export interface LocationsControllerOptions {
  registry: Registry;
  policy: Policy;
  stores: StoreSet;
  externalSources: ExternalSources;
  copier: ImageCopier;
  hasher: LocationHasher;
  /** `do_secure_hash`: what a caller says that data hashes to is checked, or else found out. */
  secureHash: boolean;
  storageQuotaBytes: number | null;
  limits: LimitSource;
  /** Of tasks that have ended. */
  timeToLiveHours: number;
}

interface LocationRequest {
  url: string;
  validation_data?: { os_hash_algo?: string; os_hash_value?: string };
}

const SERVICE_ROLE = 'service';

/** The places of an image's data in API v2 (api-v2 sheet §9.2, §9.3). Each method is one route. */
export class LocationsController {
  private readonly schema = new SchemaCheck(LOCATION_REQUEST_SCHEMA);

  constructor(private readonly options: LocationsControllerOptions) {}

  index = async (req: Request, res: Response): Promise<void> => {
    const { registry, policy, stores } = this.options;
    const caller = identityOf(req);
    const image = await findImage(registry, req);
    enforceOnImage(policy, 'fetch_image_location', caller, image);
    answerJson(res, locationViews(image, stores));
  };

  /** Gives a queued image its data: at once, or when that has been read and is what was said. */
  add = async (req: Request, res: Response): Promise<void> => {
    const { registry, policy, externalSources, copier, hasher, secureHash } = this.options;
    this.schema.check(req.body);
    const { url: given, validation_data: announced } = req.body as LocationRequest;
    const caller = requireWriter(req);
    const image = await findImage(registry, req);
    enforceOnImage(policy, 'add_image_location', caller, image);
    if (image.status !== 'queued') {
      throw new DomainError('conflict', `Not allowed to add location to a ${image.status} image.`);
    }
    this.checkMayName(given, caller);
    const hash = announcedHash(announced);
    checkFormatsSet(image);
    const url = externalSources.check(given, isService(caller));
    const task = taskOfImage(req, this.options.timeToLiveHours, {
      image_id: image.id,
      // Whoever sees the task need not see the credentials of the source.
      loc_url: redactUri(url),
      validation_data: announced ?? {},
    });
    const data = await this.dataOf(url, hash, task, image);
    const context = contextFor(caller, req);
    const limits = await imageLimits(this.options.limits, image.owner);
    const request = { ...data, ...limits, unlessPromised: true };
    const changed = await registry.updateImage(image.id, request, context);
    if (data.register) copier.begin(image.id);
    else if (secureHash && changed.sizeBytes !== null) {
      hasher.begin({ imageId: image.id, url, sizeBytes: changed.sizeBytes });
    }
    answerEmpty(res, 202);
  };

  private checkMayName(url: string, caller: Caller): void {
    if (isService(caller)) return;
    if (url.startsWith('http') && this.options.externalSources.areEnabled) return;
    throw new DomainError(
      'forbidden',
      'http store must be enabled to use location API by normal user.',
    );
  }

  private async dataOf(
    url: string,
    hash: DataHash | undefined,
    task: TaskOfImage,
    { sizeBytes: shownBytes }: ImageRecord,
  ): Promise<ExternalData> {
    const { externalSources, secureHash, storageQuotaBytes } = this.options;
    // A size of 0 counts as not known, as for uploads.
    const knownBytes = shownBytes === 0 ? null : shownBytes;
    if (hash && secureHash) {
      return { register: { url, hash, sizeBytes: knownBytes, storageQuotaBytes, task } };
    }
    const sizeBytes = await probeLocation(externalSources, url, knownBytes);
    const location = { url, metadata: {}, sizeBytes, storageQuotaBytes, task };
    return { location: hash ? { ...location, hash } : location };
  }
}

/** By the token of the caller, or by that of the service that calls for somebody. */
export function isService({ roles, serviceRoles }: Caller): boolean {
  return roles.includes(SERVICE_ROLE) || serviceRoles.includes(SERVICE_ROLE);
}

/** The registry knows projects, not services: these do what the rules let them do in its name. */
function contextFor(caller: Caller, req: Request): CallContext {
  const context = contextOf(req);
  return caller.roles.includes(SERVICE_ROLE) ? { ...context, identity: SERVICE_IDENTITY } : context;
}

/** @throws DomainError `invalid_request` for what is no digest of its algorithm. */
function announcedHash(announced: LocationRequest['validation_data']): DataHash | undefined {
  const { os_hash_algo: algorithm, os_hash_value: value } = announced ?? {};
  if (algorithm === undefined || value === undefined) return undefined;
  const digits = ANNOUNCED_HASHES[algorithm] ?? 0;
  if (value.length !== digits || !/^[0-9a-f]+$/i.test(value)) {
    throw invalidRequest(
      `os_hash_value must be the ${algorithm} of the data: ${digits} hexadecimal digits`,
    );
  }
  return { algorithm, value: value.toLowerCase() };
}
