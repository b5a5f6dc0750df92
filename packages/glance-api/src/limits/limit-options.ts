import { integerOption, textOption } from '@glance/service-kit';
import { keystoneAccessOptions } from '../keystone/keystone-options';

/** Section `[oslo_limit]`, under upstream's names. */
export const LIMIT_OPTIONS = {
  ...keystoneAccessOptions(),
  endpoint_id: textOption({
    help: 'Id of an endpoint of this service in Keystone: limits are those of its service and region. Unset: it is looked for by the four options endpoint_*.',
  }),
  endpoint_service_name: textOption({
    help: 'Name of the service of the endpoint, without endpoint_id.',
  }),
  endpoint_service_type: textOption({
    help: 'Type of the service of the endpoint, such as image, without endpoint_id.',
  }),
  endpoint_region_name: textOption({
    help: 'Region of the endpoint, without endpoint_id.',
  }),
  endpoint_interface: textOption({
    help: 'Interface of the endpoint, without endpoint_id.',
    default: 'public',
    choices: ['public', 'internal', 'admin'],
  }),
  region_name: textOption({ help: 'Not needed: auth_url is the URL that is asked.' }),
  limit_cache_time: integerOption({
    help: 'Seconds for which the limits of a project are not asked for again, by each process: so long a changed limit may not hold yet. At most 10,000 projects are remembered. 0: each request that needs limits asks.',
    default: 10,
    max: 300,
  }),
};
