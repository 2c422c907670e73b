/** All code that reads untrusted input. */
import type { Target } from './target.js';
import { applicationTargets } from './targets/application.js';
import { fileTargets } from './targets/files.js';
import { liveTargets } from './targets/live.js';
import { protocolTargets } from './targets/protocol.js';

export const targets: readonly Target[] = [...protocolTargets, ...applicationTargets, ...fileTargets, ...liveTargets];
