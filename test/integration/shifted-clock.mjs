// Preloaded into a node's process: shifts its wall clock by the ms in a file, which is read again at SIGUSR2.
import { readFileSync } from 'node:fs';

const realNow = Date.now;
let shiftMs = 0;
const read = () => {
  shiftMs = Number(readFileSync(process.env.CLOCK_SHIFT_FILE, 'utf8'));
};
read();
process.on('SIGUSR2', read);
Date.now = () => realNow() + shiftMs;
