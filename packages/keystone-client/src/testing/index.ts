export * from './fake-keystone';
