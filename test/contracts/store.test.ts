/** The contract of the store port, on real files. */
import { describeStore } from './store.contract.js';
import { openInTemporaryDirectory } from './store-temporary.js';

describeStore('SQLite', openInTemporaryDirectory());
