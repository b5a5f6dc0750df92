import { acceptedQuality } from './accepted-quality';

describe('the quality that Accept gives to a media type', () => {
  it.each([
    ['', 'text/html', 0],
    ['image/png', 'text/html', 0],
    ['*/*', 'text/html', 1],
    ['text/*;q=0.25', 'text/html', 0.25],
    ['text/*', 'application/json', 0],
    ['*/*;q=0.1, text/*;q=0.2, text/html;q=0.3', 'text/html', 0.3],
    ['text/html;q=0, */*', 'text/html', 0],
    ['TEXT/HTML ; Q=0.5', 'text/html', 0.5],
    ['text/html;level=1', 'text/html', 0],
    ['text/html;q=1.000', 'text/html', 1],
    ['text/html;q=much', 'text/html', 1],
  ])('is, by "%s" for %s, %d', (accept, type, quality) => {
    expect(acceptedQuality(accept, type)).toBe(quality);
  });
});
