import { invalidRequest } from '@glance/common';

/**
 * The tokens of a JSON pointer in the dialect of API v2 (api-v2 sheet 4.3): blanks around a token do
 * not count, and no token but that of "/" is empty.
 * @throws DomainError `invalid_request`.
 */
export function parsePointer(pointer: string): string[] {
  const rest = pointer.slice(1);
  if (
    !pointer.startsWith('/') ||
    /\/\s*\//.test(pointer) ||
    (rest !== '' && pointer.endsWith('/')) ||
    /~(?![01])/.test(pointer)
  ) {
    throw invalidRequest(`Invalid JSON pointer for this resource: '${pointer.slice(0, 300)}'`);
  }
  return rest.split('/').map((token) => token.trim().replaceAll('~1', '/').replaceAll('~0', '~'));
}
