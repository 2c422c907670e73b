/** A process that simulates one world after the other. */
import { simulate } from '../simulate.js';
import { serve } from './serve.js';

const handlers = { simulate };

export type SimulationHandlers = typeof handlers;

serve(handlers, async () => {});
