/** Jest in ESM mode: sources are compiled by swc, `./x.js` is mapped to `./x.ts`. */
export default {
  testEnvironment: 'node',
  extensionsToTreatAsEsm: ['.ts'],
  moduleNameMapper: { '^(\\.{1,2}/.*)\\.js$': '$1' },
  transform: {
    '^.+\\.ts$': [
      '@swc/jest',
      {
        jsc: { target: 'es2022', parser: { syntax: 'typescript' } },
        module: { type: 'es6' },
      },
    ],
  },
  testMatch: ['<rootDir>/test/**/*.test.ts'],
  // Those that take long are for `npm run test:long`.
  testPathIgnorePatterns: ['/node_modules/', '\\.long\\.test\\.ts$'],
  // Copies of this project, for other versions of Node.js.
  modulePathIgnorePatterns: ['<rootDir>/build/'],
  // A test waits for conditions, and this only ends one that waits in vain: long enough for a machine that has much else to do.
  testTimeout: 60_000,
  // Many tests wait for others: both of two processors are kept busy.
  maxWorkers: '100%',
  // What a file leaves in the memory of its worker is not given back: after some hundred files the heap would be full.
  workerIdleMemoryLimit: '1GB',
};
