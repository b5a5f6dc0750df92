import { describe, expect, it } from '@jest/globals';
import { keyOf, toArea, toLocation } from './s3-location';

const KEY = '6f4c1c5e-3e5b-4f5c-8d8e-0d4a3b0c9a11';
const area = toArea('http://S3.Example.org:8080', 'glance');

describe('locations in S3', () => {
  it.each([
    ['http://s3.example.org:8080', `s3://s3.example.org:8080/glance/${KEY}`],
    ['https://s3.example.org', `s3+https://s3.example.org/glance/${KEY}`],
    ['https://example.org/objects/', `s3+https://example.org/objects/glance/${KEY}`],
  ])('of %s are written without credentials', (endpoint, url) => {
    const written = toLocation(toArea(endpoint, 'glance'), KEY);
    expect(written).toBe(url);
    expect(keyOf(written, toArea(endpoint, 'glance'))).toBe(KEY);
  });

  it.each([
    `s3://access:secret@s3.example.org:8080/glance/${KEY}`,
    `s3+http://access:se/cr:et/@s3.example.org:8080/glance/${KEY}`,
    `s3+https://access:secret@S3.example.org:8080/glance/${KEY}`,
  ])('are read as upstream writes them: %s', (url) => {
    expect(keyOf(url, area)).toBe(KEY);
  });

  it.each([
    `s3://s3.example.org:8080/other/${KEY}`,
    `s3://s3.example.org:8081/glance/${KEY}`,
    `s3://s3.example.org:8080/x/glance/${KEY}`,
    `s3://access@s3.example.org:8080/glance/${KEY}`,
    `s3://s3://s3.example.org:8080/glance/${KEY}`,
    `http://s3.example.org:8080/glance/${KEY}`,
    's3://s3.example.org:8080/glance/',
    's3://s3.example.org:8080/glance/..',
    's3://s3.example.org:8080/glance/a?b',
    's3://',
  ])('elsewhere are not read: %s', (url) => {
    expect(keyOf(url, area)).toBeUndefined();
  });
});
