import { foundLeaks, watchFetch } from './leak-gate';

watchFetch();

// After those of the tests, which end the services.
afterAll(async () => {
  expect(await foundLeaks()).toEqual([]);
});
