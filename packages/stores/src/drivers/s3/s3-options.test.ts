import { describe, expect, it } from '@jest/globals';
import { readS3Options } from './s3-options';

const context = { storeId: 's3', warn: () => undefined };
const given = {
  s3_store_host: 's3.example.org',
  s3_store_access_key: 'access',
  s3_store_secret_key: 'hidden',
  s3_store_bucket: 'glance',
};

describe('options of the s3 store', () => {
  it('have upstream’s defaults', () => {
    expect(readS3Options(given, context)).toMatchObject({
      endpoint: 'http://s3.example.org',
      region: 'us-east-1',
      createBucket: false,
      pathStyle: true,
      largeObjectBytes: 100 * 1024 * 1024,
      partBytes: 10 * 1024 * 1024,
      partsAtATime: 10,
      requestChecksums: 'WHEN_REQUIRED',
      responseChecksums: 'WHEN_REQUIRED',
    });
  });

  it.each([
    ['https://s3.eu-west-1.amazonaws.com', 'eu-west-1', false],
    ['s3.amazonaws.com', 'us-east-1', false],
    ['s3.example.org', 'us-east-1', true],
  ])('know region and style of %s', (s3_store_host, region, pathStyle) => {
    expect(readS3Options({ ...given, s3_store_host }, context)).toMatchObject({
      region,
      pathStyle,
    });
  });

  it('take checksums only where they are wanted', () => {
    const modes = { s3_store_request_checksum_calculation: 'when_supported' };
    expect(readS3Options({ ...given, ...modes }, context).requestChecksums).toBe('WHEN_REQUIRED');
    const wanted = { ...modes, s3_store_enable_data_integrity_protection: 'true' };
    expect(readS3Options({ ...given, ...wanted }, context).requestChecksums).toBe('WHEN_SUPPORTED');
  });

  it('that are missing are all named', () => {
    for (const name of Object.keys(given)) {
      expect(() => readS3Options({}, context)).toThrow(`option ${name}: is required`);
    }
  });

  it.each([
    ['s3_store_host', 'ftp://s3.example.org'],
    ['s3_store_host', 'http://user:word@s3.example.org'],
    ['s3_store_bucket', 'a/b'],
    ['s3_store_bucket_url_format', 'domain'],
    ['s3_store_large_object_chunk_size', '4'],
    ['s3_store_thread_pools', '0'],
    ['s3_store_cacert', '/nonexistent/ca.pem'],
    ['s3_store_request_checksum_calculation', 'never'],
  ])('%s is not %s', (name, value) => {
    const reading = () => readS3Options({ ...given, [name]: value }, context);
    expect(reading).toThrow(`store s3: option ${name}: `);
    expect(reading).not.toThrow(/hidden/);
  });
});
