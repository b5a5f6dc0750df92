import { randomUUID } from 'node:crypto';
import dns from 'node:dns';
import type { LookupFunction } from 'node:net';
import { describe, jest } from '@jest/globals';
import { S3 } from '@aws-sdk/client-s3';
import type { StoreOptions } from '../src/store-options';
import { Relay } from './relay';

/** `http://ACCESS:SECRET@HOST:PORT` of a real S3 server; `npm test` starts one where it can. */
export const SERVER_URL = process.env['TEST_S3_URL'] ?? '';

/** The server serves buckets as hosts below this name, too; '' where it does not. */
const DOMAIN = process.env['TEST_S3_DOMAIN'] ?? '';

/** `describe` where there is an S3 server; else skipped, aloud, and an error in CI. */
export function describeWithS3(): typeof describe | typeof describe.skip {
  if (SERVER_URL !== '') return describe;
  const text = 'NO S3 SERVER (TEST_S3_URL): the tests of the s3 store are SKIPPED';
  if (process.env['CI'] !== undefined) throw new Error(text);
  process.stderr.write(`\n${text}\n\n`);
  return describe.skip;
}

/** As {@link describeWithS3}, where buckets are hosts of the server too. */
export function describeWithS3Hosts(): typeof describe | typeof describe.skip {
  if (DOMAIN !== '') return describeWithS3();
  const text =
    'NO NAME OF THE S3 SERVER (TEST_S3_DOMAIN): buckets as hosts are not tested, SKIPPED';
  if (process.env['CI'] !== undefined) throw new Error(text);
  process.stderr.write(`\n${text}\n\n`);
  return describe.skip;
}

/** Takes the server's name, and all below it, for this machine's: no DNS server knows them. */
export function resolveS3Hosts(): { restore: () => void } {
  const original = dns.lookup;
  const lookup: LookupFunction = (hostname, options, callback) => {
    const here = hostname === DOMAIN || hostname.endsWith(`.${DOMAIN}`);
    original(here ? '127.0.0.1' : hostname, options, callback);
  };
  const spy = jest.spyOn(dns, 'lookup').mockImplementation(lookup as typeof dns.lookup);
  return { restore: () => spy.mockRestore() };
}

/** One for the tests of a file, which run one after the other: making one takes the server long. */
const SHARED_BUCKET = `test-${randomUUID()}`;

/** An empty bucket on the real server, behind a relay that can be taken away. */
export class TestBucket {
  readonly name: string;

  private constructor(
    readonly client: S3,
    readonly server: URL,
    private readonly shared: boolean,
    private readonly relay: Relay,
  ) {
    this.name = shared ? SHARED_BUCKET : `test-${randomUUID()}`;
  }

  /** @param missing it is not there, and is not that of other tests. */
  static async make({ missing = false } = {}): Promise<TestBucket> {
    const server = new URL(SERVER_URL);
    const client = new S3({
      endpoint: server.origin,
      region: 'us-east-1',
      forcePathStyle: true,
      credentials: { accessKeyId: server.username, secretAccessKey: server.password },
    });
    const bucket = new TestBucket(client, server, !missing, await Relay.start(server));
    if (!missing) await client.createBucket({ Bucket: bucket.name });
    return bucket;
  }

  /** For a store on it. */
  get options(): StoreOptions {
    return {
      s3_store_host: this.relay.host,
      s3_store_access_key: this.server.username,
      s3_store_secret_key: this.server.password,
      s3_store_bucket: this.name,
    };
  }

  /** For a store that asks for `BUCKET.NAME`. */
  get hostOptions(): StoreOptions {
    return {
      ...this.options,
      s3_store_host: `${DOMAIN}:${this.relay.host.split(':').at(-1) ?? ''}`,
      s3_store_bucket_url_format: 'virtual',
    };
  }

  /** Every object, and every multipart upload that was not ended. */
  async contents(): Promise<string[]> {
    const Bucket = this.name;
    const { Contents = [] } = await this.client.listObjectsV2({ Bucket });
    const { Uploads = [] } = await this.client.listMultipartUploads({ Bucket });
    return [
      ...Contents.map(({ Key }) => Key ?? ''),
      ...Uploads.map(({ Key }) => `unfinished multipart upload of ${Key ?? ''}`),
    ].sort();
  }

  /** A multipart upload with one part that nobody goes on with. */
  async abandonPart(key: string, body: Buffer): Promise<string | undefined> {
    const name = { Bucket: this.name, Key: key };
    const { UploadId } = await this.client.createMultipartUpload(name);
    await this.client.uploadPart({ ...name, UploadId, PartNumber: 1, Body: body });
    return UploadId;
  }

  /** Nobody answers any more, and running requests break off. */
  takeAway(): Promise<void> {
    return this.relay.takeAway();
  }

  async dispose(): Promise<void> {
    await this.takeAway();
    const Bucket = this.name;
    const { Contents = [] } = await this.client
      .listObjectsV2({ Bucket })
      .catch(() => ({ Contents: [] }));
    for (const { Key } of Contents) await this.client.deleteObject({ Bucket, Key: Key ?? '' });
    const { Uploads = [] } = await this.client
      .listMultipartUploads({ Bucket })
      .catch(() => ({ Uploads: [] }));
    for (const { Key, UploadId } of Uploads) {
      await this.client.abortMultipartUpload({ Bucket, Key, UploadId });
    }
    if (!this.shared) await this.client.deleteBucket({ Bucket }).catch(() => undefined);
    this.client.destroy();
  }
}
