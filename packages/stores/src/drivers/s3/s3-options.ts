import { readFileSync } from 'node:fs';
import { createSecureContext } from 'node:tls';
import { StoreConfigurationError } from '../../store-configuration-error';
import type { StoreContext } from '../../store-driver';
import { readOptions } from '../../store-options';
import type { StoreOptionTable, StoreOptions } from '../../store-options';
import { MIN_PART_BYTES } from './multipart-upload';

const MIB = 1024 * 1024;
const CHECKSUM_MODES = ['when_required', 'when_supported'] as const;
const BUCKET_FORMATS = ['auto', 'path', 'virtual'] as const;
const DEFAULT_REGION = 'us-east-1';

/** Upstream's options (stores sheet §5). */
export const S3_OPTIONS = {
  s3_store_host: {
    kind: 'text',
    default: '',
    description:
      'The S3 server: host, host:port or a URL. Without https:// in front, http is spoken. Required by the s3 store.',
  },
  s3_store_region_name: {
    kind: 'text',
    default: '',
    description: `Region that requests are signed for. Unless set, that of a well-known AWS host, else ${DEFAULT_REGION}, which other servers take.`,
  },
  s3_store_access_key: {
    kind: 'text',
    secret: true,
    default: '',
    description: 'Access key of the account that owns the bucket. Required by the s3 store.',
  },
  s3_store_secret_key: {
    kind: 'text',
    secret: true,
    default: '',
    description: 'Secret key that belongs to s3_store_access_key. Required by the s3 store.',
  },
  s3_store_bucket: {
    kind: 'text',
    default: '',
    description:
      'Bucket for images. Required by the s3 store. Names below glance-unfinished/ tell of uploads that run; leave them alone.',
  },
  s3_store_create_bucket_on_put: {
    kind: 'boolean',
    default: false,
    description: 'Make the bucket at the first upload when it is missing.',
  },
  s3_store_bucket_url_format: {
    kind: 'text',
    default: 'auto',
    description:
      'Where the bucket stands in the URL of a request: path (after the host), virtual (in the name of the host), or auto (virtual on AWS, else path).',
  },
  s3_store_large_object_size: {
    kind: 'integer',
    minimum: 0,
    default: 100,
    description:
      'MiB from which on an image is sent in parts, which are repeated when they fail. Smaller ones are sent at once.',
  },
  s3_store_large_object_chunk_size: {
    kind: 'integer',
    minimum: MIN_PART_BYTES / MIB,
    default: 10,
    description:
      'MiB of a part of an image whose size is announced; those of an image that would need more than 10000 are larger. The parts of other images have 5 MiB, and twice as much after each 900 of them.',
  },
  s3_store_thread_pools: {
    kind: 'integer',
    minimum: 1,
    default: 10,
    description:
      'Parts that one upload sends at a time, as long as there is memory: the parts of all uploads of a process have 40 MiB, and uploads beyond wait. A larger part has to be alone.',
  },
  s3_store_cacert: {
    kind: 'text',
    default: '',
    description:
      'File (PEM) with the authorities that must have signed the certificate of the server. The public ones unless set.',
  },
  s3_store_enable_data_integrity_protection: {
    kind: 'boolean',
    default: false,
    description:
      'Makes the next two options count; else both are when_required. Not every server knows these checksums.',
  },
  s3_store_request_checksum_calculation: {
    kind: 'text',
    default: 'when_required',
    description: 'Send checksums with requests: when_required or when_supported.',
  },
  s3_store_response_checksum_validation: {
    kind: 'text',
    default: 'when_required',
    description: 'Check checksums of answers: when_required or when_supported.',
  },
} as const satisfies StoreOptionTable;

export interface S3Settings {
  /** With scheme, without a slash at its end. */
  endpoint: string;
  region: string;
  accessKey: string;
  secretKey: string;
  bucket: string;
  createBucket: boolean;
  pathStyle: boolean;
  largeObjectBytes: number;
  partBytes: number;
  partsAtATime: number;
  ca: Buffer | undefined;
  requestChecksums: 'WHEN_REQUIRED' | 'WHEN_SUPPORTED';
  responseChecksums: 'WHEN_REQUIRED' | 'WHEN_SUPPORTED';
}

/** @throws StoreConfigurationError with everything that is wrong. */
export function readS3Options(options: StoreOptions, { storeId }: StoreContext): S3Settings {
  const values = readOptions(storeId, S3_OPTIONS, options);
  const problems: string[] = [];
  const attempt = <T>(option: keyof typeof S3_OPTIONS, work: () => T): T | undefined => {
    try {
      return work();
    } catch (error) {
      problems.push(`store ${storeId}: option ${option}: ${(error as Error).message}`);
      return undefined;
    }
  };
  const required = (option: keyof typeof S3_OPTIONS): string =>
    attempt(option, () => {
      if (values[option] === '') throw new Error('is required by the s3 store: set it');
      return String(values[option]);
    }) ?? '';
  const host = required('s3_store_host');
  const endpoint = host === '' ? undefined : attempt('s3_store_host', () => toEndpoint(host));
  const accessKey = required('s3_store_access_key');
  const secretKey = required('s3_store_secret_key');
  const bucket = required('s3_store_bucket');
  if (bucket !== '') attempt('s3_store_bucket', () => requireBucketName(bucket));
  const format = attempt('s3_store_bucket_url_format', () =>
    oneOf(values.s3_store_bucket_url_format, BUCKET_FORMATS),
  );
  const requestMode = attempt('s3_store_request_checksum_calculation', () =>
    oneOf(values.s3_store_request_checksum_calculation, CHECKSUM_MODES),
  );
  const responseMode = attempt('s3_store_response_checksum_validation', () =>
    oneOf(values.s3_store_response_checksum_validation, CHECKSUM_MODES),
  );
  const caFile = values.s3_store_cacert;
  const ca = caFile === '' ? undefined : attempt('s3_store_cacert', () => readAuthorities(caFile));
  if (problems.length > 0 || endpoint === undefined) throw new StoreConfigurationError(problems);
  const { hostname } = new URL(endpoint);
  const checksums = (mode: string | undefined): 'WHEN_REQUIRED' | 'WHEN_SUPPORTED' =>
    values.s3_store_enable_data_integrity_protection && mode === 'when_supported'
      ? 'WHEN_SUPPORTED'
      : 'WHEN_REQUIRED';
  return {
    endpoint,
    region: values.s3_store_region_name || (awsRegion(hostname) ?? DEFAULT_REGION),
    accessKey,
    secretKey,
    bucket,
    createBucket: values.s3_store_create_bucket_on_put,
    pathStyle: format === 'path' || (format === 'auto' && awsRegion(hostname) === undefined),
    largeObjectBytes: values.s3_store_large_object_size * MIB,
    partBytes: values.s3_store_large_object_chunk_size * MIB,
    partsAtATime: values.s3_store_thread_pools,
    ca,
    requestChecksums: checksums(requestMode),
    responseChecksums: checksums(responseMode),
  };
}

function toEndpoint(host: string): string {
  const text = host.includes('://') ? host : `http://${host}`;
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !['http:', 'https:'].includes(url.protocol)) {
    throw new Error('must be a host, host:port or a URL with http or https');
  }
  if (url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '') {
    throw new Error('must have no credentials, query or fragment');
  }
  return `${url.protocol}//${url.host}${url.pathname}`.replace(/\/+$/, '');
}

function requireBucketName(bucket: string): void {
  // Older and other servers allow more than AWS does, but none a slash.
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,254}$/.test(bucket)) {
    throw new Error('must be letters, digits, dots, dashes and underlines');
  }
}

function oneOf<T extends string>(value: string, choices: readonly T[]): T {
  const choice = choices.find((each) => each === value);
  if (choice === undefined) throw new Error(`must be one of ${choices.join(', ')}`);
  return choice;
}

/** The region in the name of an AWS host; undefined for other hosts. */
function awsRegion(hostname: string): string | undefined {
  const name = /^s3(?:[.-](?:dualstack[.])?([a-z0-9-]+))?[.]amazonaws[.]com(?:[.]cn)?$/.exec(
    hostname,
  );
  return name === null ? undefined : (name[1] ?? DEFAULT_REGION);
}

function readAuthorities(file: string): Buffer {
  const ca = readFileSync(file);
  createSecureContext({ ca });
  return ca;
}
