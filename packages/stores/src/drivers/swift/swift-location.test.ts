import { describe, expect, it } from '@jest/globals';
import { containerOf, placeOf, toLocation } from './swift-location';
import type { SwiftArea } from './swift-location';
import { toReference } from './swift-references';

const ID = 'fdae39a1-bac5-4238-aba4-69bcc726e848';

function areaOf(reference: string, auth_address: string, user = 'project:user', key = 'secret') {
  const references = new Map([[reference, toReference({ auth_address, user, key })]]);
  return { references, defaultReference: reference, container: 'glance', seed: 0 };
}

const own = areaOf('', 'http://auth.example.org:5000/v3/', 'project:user', 'a/b:c@d');
const referenced = areaOf('ref1', 'auth.example.org');

describe('locations in Swift', () => {
  it.each<[string, SwiftArea, string]>([
    ['with a references file', referenced, `swift+config://ref1/glance/${ID}`],
    [
      'without one',
      own,
      `swift+http://project%3Auser:a%2Fb%3Ac%40d@auth.example.org:5000/v3/glance/${ID}`,
    ],
    [
      'over https',
      areaOf('', 'auth.example.org/v3'),
      `swift+https://project%3Auser:secret@auth.example.org/v3/glance/${ID}`,
    ],
  ])('are written as upstream writes them %s', (_name, area, url) => {
    const place = { reference: area.defaultReference, container: 'glance', object: ID };
    expect(toLocation(area, place)).toBe(url);
    expect(placeOf(url, area)).toEqual(place);
  });

  it.each([
    `swift+http://project%3Auser:an-older-key@auth.example.org:5000/v3/glance/${ID}`,
    `swift://project%3Auser:secret@auth.example.org:5000/v3/glance/${ID}`,
    `swift+https://project:user:secret@AUTH.example.org:5000/v3/glance_fd/${ID}`,
  ])('of the account are read: %s', (url) => {
    expect(placeOf(url, own)).toMatchObject({ reference: '', object: ID });
  });

  it('that hold credentials are read when a references file has the account', () => {
    const url = `swift+https://project%3Auser:secret@auth.example.org:443/glance/${ID}`;
    expect(placeOf(url, referenced)).toMatchObject({ reference: 'ref1' });
  });

  it.each([
    `swift+config://ref1/glance/${ID}`,
    `swift+config:///glance/${ID}`,
    `swift+http://project%3Aother:secret@auth.example.org:5000/v3/glance/${ID}`,
    `swift+http://project%3Auser:secret@elsewhere.example.org:5000/v3/glance/${ID}`,
    `swift+http://project%3Auser:secret@auth.example.org:5000/glance/${ID}`,
    `swift+http://project%3Auser:secret@auth.example.org:5000/v3/other/${ID}`,
    `swift+http://project%3Auser:secret@auth.example.org:5000/v3/glance_xy/${ID}`,
    `swift+http://project%3Auser:secret@auth.example.org:5000/v3/glance/..`,
    `swift+http://project%3Auser:secret@auth.example.org:5000/v3/glance/a?b`,
    `swift+http://project%3Auser@auth.example.org:5000/v3/glance/${ID}`,
    `swift+http://auth.example.org:5000/v3/glance/${ID}`,
    `swift+http://swift+http://project%3Auser:secret@auth.example.org:5000/v3/glance/${ID}`,
    `swift+http://%E0%A4%A:secret@auth.example.org:5000/v3/glance/${ID}`,
    'swift://',
  ])('elsewhere are not read: %s', (url) => {
    expect(placeOf(url, own)).toBeUndefined();
  });

  it.each([
    [0, 'glance'],
    [1, 'glance_f'],
    [8, 'glance_fdae39a1'],
    [10, 'glance_fdae39a1-ba'],
    [32, `glance_${ID}`],
  ])('with %i digits are in the container %s', (seed, name) => {
    expect(containerOf({ ...referenced, seed }, ID)).toBe(name);
    const url = `swift+config://ref1/${name}/${ID}`;
    expect(placeOf(url, referenced)).toMatchObject({ container: name });
  });
});
