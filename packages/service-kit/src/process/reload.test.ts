import type { Logger } from '../logger';
import { silentLogger } from '../logger';
import { reloadAll } from './reload';

it('reads everything again, says so in one line, and names what it could not use', () => {
  const lines: string[] = [];
  const logger: Logger = {
    ...silentLogger,
    info: (line) => lines.push(`info ${line}`),
    error: (line) => lines.push(`error ${line}`),
  };
  const broken = (): never => {
    throw new Error('cert_file = /c.pem: holds no certificate in PEM');
  };
  reloadAll(
    [
      { what: 'log_file', reload: () => true },
      { what: 'certificates', reload: broken },
      { what: 'what is not set', reload: () => false },
      { what: '[service_auth]', reload: () => true },
    ],
    logger,
  );
  expect(lines).toEqual([
    'error SIGHUP: certificates: what was in use stays: cert_file = /c.pem: holds no certificate in PEM',
    'info SIGHUP: read again: log_file, [service_auth]',
  ]);
});
