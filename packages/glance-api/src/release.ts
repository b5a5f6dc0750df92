/** The release of this service, as in its package.json. */
export const RELEASE = '0.1.0';
