import { S3 } from '@aws-sdk/client-s3';

/** The S3 server of the tests (`TEST_S3_URL`, with credentials); `npm test` starts one. */
export class S3Server {
  private readonly url = new URL(process.env['TEST_S3_URL'] ?? 'http://unset');
  readonly host = this.url.host;
  readonly accessKey = this.url.username;
  readonly secretKey = this.url.password;

  connect(): S3 {
    return new S3({
      endpoint: this.url.origin,
      region: 'us-east-1',
      forcePathStyle: true,
      credentials: { accessKeyId: this.accessKey, secretAccessKey: this.secretKey },
    });
  }

  /** Keys of objects, and multipart uploads that were not ended. */
  async contentsOf(bucket: string, s3: S3): Promise<string[]> {
    const { Contents = [] } = await s3.listObjectsV2({ Bucket: bucket });
    const { Uploads = [] } = await s3.listMultipartUploads({ Bucket: bucket });
    return [...Contents.map(({ Key }) => Key!), ...Uploads.map(({ Key }) => `unfinished ${Key!}`)];
  }

  async removeBucket(bucket: string, s3: S3): Promise<void> {
    for (const Key of await this.contentsOf(bucket, s3)) {
      await s3.deleteObject({ Bucket: bucket, Key });
    }
    await s3.deleteBucket({ Bucket: bucket });
  }
}

/** `tests` where there is such a server; else skipped, aloud, and an error in CI. */
export function withS3(tests: jest.Describe): jest.Describe {
  if ((process.env['TEST_S3_URL'] ?? '') !== '') return tests;
  const text = 'NO S3 SERVER (TEST_S3_URL): images in S3 are not tested, SKIPPED';
  if (process.env['CI'] !== undefined) throw new Error(text);
  process.stderr.write(`\n${text}\n\n`);
  return describe.skip;
}
