'use strict';

const js = require('@eslint/js');
const tseslint = require('typescript-eslint');

/** Which of our packages a package may import: the direction table of ARCHITECTURE.md. */
const DIRECTIONS = {
  common: [],
  'service-kit': ['common'],
  stores: ['common', 'keystone-client'],
  'registry-client': ['common'],
  'keystone-client': ['common'],
  'glance-registry': ['common', 'service-kit'],
  'glance-api': ['common', 'service-kit', 'stores', 'registry-client', 'keystone-client'],
  'glance-manage': [
    'common',
    'service-kit',
    'stores',
    'registry-client',
    'glance-registry',
    'glance-api',
  ],
};

const NO_EXPRESS = ['common', 'stores', 'registry-client', 'keystone-client'];

function importRule(name, extra = []) {
  const allowed = [...DIRECTIONS[name], ...extra];
  const group = allowed.length === 0 ? '^@glance/' : `^@glance/(?!(${allowed.join('|')})($|/))`;
  return [
    'error',
    {
      patterns: [
        {
          regex: group,
          message: `${name} may import only: ${allowed.join(', ') || 'nothing of ours'}`,
        },
        ...(NO_EXPRESS.includes(name)
          ? [{ regex: '^express$', message: `${name} knows no HTTP framework` }]
          : []),
      ],
    },
  ];
}

module.exports = tseslint.config(
  { ignores: ['**/dist/', 'node_modules/', 'var/', 'coverage/'] },
  {
    files: ['**/*.js', '**/*.mjs'],
    ...js.configs.recommended,
    languageOptions: {
      globals: {
        require: 'readonly',
        module: 'writable',
        process: 'readonly',
        console: 'readonly',
        URL: 'readonly',
        __dirname: 'readonly',
        setInterval: 'readonly',
        setTimeout: 'readonly',
        clearInterval: 'readonly',
        clearTimeout: 'readonly',
        performance: 'readonly',
        Buffer: 'readonly',
        fetch: 'readonly',
        AbortSignal: 'readonly',
      },
    },
  },
  {
    files: ['**/*.ts'],
    extends: [js.configs.recommended, ...tseslint.configs.strictTypeChecked],
    languageOptions: {
      parserOptions: {
        project: [
          'packages/*/tsconfig.json',
          'packages/*/tsconfig.test.json',
          'test-e2e/tsconfig.json',
        ],
        tsconfigRootDir: __dirname,
      },
    },
    rules: {
      '@typescript-eslint/no-unused-vars': [
        'error',
        { argsIgnorePattern: '^_', varsIgnorePattern: '^_' },
      ],
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      '@typescript-eslint/no-confusing-void-expression': 'off',
      '@typescript-eslint/no-unnecessary-type-parameters': 'off',
      '@typescript-eslint/unbound-method': 'off',
      // Fires on libraries whose types re-export classes (winston).
      '@typescript-eslint/no-unsafe-class-instance-assignment': 'off',
      'no-restricted-properties': [
        'error',
        {
          object: 'process',
          property: 'env',
          message: 'Only bin/ and tests read the environment.',
        },
      ],
      'no-eval': 'error',
      'no-implied-eval': 'error',
      'no-new-func': 'error',
    },
  },
  ...Object.keys(DIRECTIONS).map((name) => ({
    files: [`packages/${name}/src/**/*.ts`],
    rules: { 'no-restricted-imports': importRule(name) },
  })),
  {
    // The contract suite of the client runs against the real registry.
    files: ['packages/glance-registry/src/**/*.test.ts'],
    rules: { 'no-restricted-imports': importRule('glance-registry', ['registry-client']) },
  },
  {
    files: ['test-e2e/**/*.ts'],
    rules: {
      'no-restricted-imports': [
        'error',
        { patterns: [{ regex: '^@glance/', message: 'e2e tests know processes and HTTP only' }] },
      ],
    },
  },
  {
    files: [
      'packages/*/src/bin/**/*.ts',
      '**/*.test.ts',
      '**/testing/**/*.ts',
      '**/conformance/**/*.ts',
      'test-e2e/**/*.ts',
    ],
    rules: {
      'no-restricted-properties': 'off',
      // supertest bodies and scripted answers are any.
      '@typescript-eslint/no-unsafe-member-access': 'off',
      '@typescript-eslint/no-unsafe-call': 'off',
      '@typescript-eslint/no-unsafe-assignment': 'off',
      '@typescript-eslint/no-unsafe-argument': 'off',
      '@typescript-eslint/no-unsafe-return': 'off',
      '@typescript-eslint/require-await': 'off',
      '@typescript-eslint/no-non-null-assertion': 'off',
    },
  },
);
