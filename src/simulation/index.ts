/**
 * `statemesh/simulation`: a deterministic world for tests of programs that embed statemesh, and for our own.
 */
export type { Duration } from './clock.js';
export type { Weather } from './network.js';
export {
  drawPlan,
  type Fault,
  type FaultDomain,
  faultDomains,
  type Plan,
  type PlannedWrite,
  type PlanOptions,
} from './swarm/plan.js';
export { type PlayPlanOptions, playPlan } from './swarm/play.js';
export { type Breach, BreachError, type BreachKind, breachKinds, type Verdict } from './verdict.js';
export { createWorld, World, type WorldNode, type WorldOptions } from './world.js';
