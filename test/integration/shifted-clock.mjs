// Preloaded into a node's process: its wall clock is off by as many ms as a file says, read anew at SIGUSR2.
import { readFileSync } from 'node:fs';

const realNow = Date.now;
let shiftMs = 0;
const read = () => {
  shiftMs = Number(readFileSync(process.env.CLOCK_SHIFT_FILE, 'utf8'));
};
read();
process.on('SIGUSR2', read);
Date.now = () => realNow() + shiftMs;
