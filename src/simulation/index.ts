/**
 * `statemesh/simulation`: a deterministic world for tests of programs that embed statemesh, and for our own.
 */
export type { Duration } from './clock.js';
export type { Weather } from './network.js';
export { createWorld, World, type WorldNode, type WorldOptions } from './world.js';
