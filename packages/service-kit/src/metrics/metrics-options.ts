import { integerOption, textOption } from '../config/options';

/** [metrics]: where a service is watched. */
export const metricsOptions = {
  bind_host: textOption({
    help: 'Address to serve /metrics on. Whoever reaches it may read all numbers without a password: let that be the network of the monitoring only.',
    default: '127.0.0.1',
  }),
  bind_port: integerOption({
    help: 'Port to serve /metrics on, in the format of Prometheus, such as 9294; 0 takes a free one. It is never served on the port of the service. Unset: nothing is counted.',
    max: 65_535,
  }),
};
