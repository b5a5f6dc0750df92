export * from './composition';
export * from './config';
