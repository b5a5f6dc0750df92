'use strict';

const shared = {
  rootDir: __dirname,
  testEnvironment: 'node',
  testEnvironmentOptions: { globalsCleanup: 'on' },
  transform: {
    '^.+\\.ts$': [
      '@swc/jest',
      { jsc: { target: 'es2022', parser: { syntax: 'typescript' } }, module: { type: 'commonjs' } },
    ],
  },
  // Tests run from source, so that a failing line is the line one edits.
  moduleNameMapper: {
    '^@glance/([^/]+)$': '<rootDir>/packages/$1/src',
    '^@glance/([^/]+)/(.+)$': '<rootDir>/packages/$1/src/$2',
  },
};

module.exports = {
  // Most of a test is waiting for processes; one core left idle would only make it longer.
  maxWorkers: '100%',
  // On a machine that is busy; what waits for something that never comes fails all the same.
  testTimeout: 30_000,
  projects: [
    { ...shared, displayName: 'packages', testMatch: ['<rootDir>/packages/*/src/**/*.test.ts'] },
    {
      ...shared,
      displayName: 'e2e',
      testMatch: ['<rootDir>/test-e2e/**/*.test.ts'],
      setupFilesAfterEnv: ['<rootDir>/test-e2e/support/leak-gate-setup.ts'],
    },
  ],
};
