/** The inspector's page in a real browser, against real processes: `npm run test:e2e`. They share a machine, so one at a time. */
import base from './jest.config.js';

export default { ...base, testMatch: ['<rootDir>/test/e2e/**/*.e2e.ts'], testTimeout: 120_000, maxWorkers: 1 };
