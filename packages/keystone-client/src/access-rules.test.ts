import { permitsAccess } from './access-rules';

describe('access rules of an application credential', () => {
  const permits = (path: string, request: string, method = 'GET') =>
    permitsAccess([{ service: 'image', method: 'GET', path }], {
      service: 'image',
      method,
      path: request,
    });

  it.each([
    ['/v2/images', '/v2/images'],
    ['/v2/images/*', '/v2/images/1'],
    ['/v2/images/{image_id}/file', '/v2/images/1/file'],
    ['/v2/**', '/v2/images/1/file'],
    ['/**/file', '/v2/images/1/file'],
    ['/v2/**/images/**/file', '/v2/a/images/images/b/file/file'],
    ['**', '/v2'],
    ['/v2/images/**', '/v2/images'],
  ])('%s lets %s pass', (path, request) => {
    expect(permits(path, request)).toBe(true);
  });

  it.each([
    ['/v2/images', '/v2/images/1'],
    ['/v2/images', '/v2/imagesx'],
    ['/v2/images/*', '/v2/images/1/file'],
    ['/v2/images/*', '/v2/images/'],
    ['/v2/images/{id}', '/v2/images'],
    ['/**/file', '/v2/images/1/file/x'],
    ['/v2/**/file', '/v1/x/file'],
  ])('%s does not let %s pass', (path, request) => {
    expect(permits(path, request)).toBe(false);
  });

  it('holds for its method and service only', () => {
    expect(permits('/v2/images', '/v2/images', 'POST')).toBe(false);
    const rules = [{ service: 'compute', method: 'get', path: '/v2/images' }];
    const request = { service: 'image', method: 'GET', path: '/v2/images' };
    expect(permitsAccess(rules, request)).toBe(false);
    expect(permitsAccess([], request)).toBe(false);
    expect(permitsAccess([{ ...rules[0]!, service: 'image' }], request)).toBe(true);
  });
});
