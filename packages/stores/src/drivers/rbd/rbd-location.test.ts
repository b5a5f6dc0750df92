import { describe, expect, it } from '@jest/globals';
import { placeOf, toLocation } from './rbd-location';

const FSID = '6d5a2d5c-1111-4222-8333-000000000001';
const AREA = { fsid: FSID, pool: 'images' };

describe('locations of the rbd store', () => {
  it('are quoted with nothing safe', () => {
    const place = { image: "a b'(c)/é@x", snapshot: 'sn*p' };
    expect(toLocation({ fsid: FSID, pool: 'p ool' }, place)).toBe(
      `rbd://${FSID}/p%20ool/a%20b%27%28c%29%2F%C3%A9%40x/sn%2Ap`,
    );
  });

  it('are read back', () => {
    const place = { image: "a b'(c)é", snapshot: 'sn*p' };
    expect(placeOf(toLocation(AREA, place), AREA)).toEqual(place);
  });

  it('may be an image alone', () => {
    expect(placeOf('rbd://my%20image', AREA)).toEqual({ image: 'my image', snapshot: undefined });
  });

  it('are of any cluster while nobody knows which', () => {
    const location = `rbd://${FSID}/images/image/snap`;
    expect(placeOf(location, { fsid: undefined, pool: 'images' })).toEqual({
      image: 'image',
      snapshot: 'snap',
    });
  });

  it.each([
    '',
    'rbd://',
    'rbd:///',
    'RBD://image',
    'http://image',
    'rbd://a/b',
    'rbd://a/b/c',
    `rbd://${FSID}/images/image/snap/more`,
    `rbd://${FSID}/images//snap`,
    `rbd://${FSID}/images/image/`,
    `rbd://${FSID}/other/image/snap`,
    'rbd://00000000-1111-4222-8333-000000000001/images/image/snap',
    `rbd://${FSID}/images/im age/snap`,
    `rbd://${FSID}/images/im%61ge/snap`,
    `rbd://${FSID}/images/im%2fage/snap`,
    `rbd://${FSID}/images/im%2Fage/snap`,
    `rbd://${FSID}/images/image%00/snap`,
    `rbd://${FSID}/images/image%40snap/snap`,
    `rbd://${FSID}/images/%FF/snap`,
  ])('are nobody’s: %j', (location) => {
    expect(placeOf(location, AREA)).toBeUndefined();
  });
});
