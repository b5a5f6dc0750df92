import { runHttpProgram } from '@glance/service-kit';
import { createApi } from '../composition';
import { API_DEFAULT_FILES, API_OPTIONS } from '../config';
import { RELEASE } from '../release';
import { apiWarnings, checkApiConfig } from '../safe-exposure';
import { storeSections } from '../store-config/store-options';

runHttpProgram({
  name: 'glance-api',
  release: RELEASE,
  options: API_OPTIONS,
  moreSections: storeSections,
  defaultFiles: API_DEFAULT_FILES,
  check: checkApiConfig,
  warnings: apiWarnings,
  create: createApi,
});
