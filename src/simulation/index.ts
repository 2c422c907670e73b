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
export { type Player, type PlayOptions, threadPlayer } from './swarm/player.js';
export { runSwarm, type SwarmOptions, type SwarmProgress, type SwarmResult } from './swarm/runner.js';
export { type ScenarioOptions, scenarioOf } from './swarm/scenario.js';
export { type ShrinkOptions, type ShrinkProgress, type ShrunkPlan, shrinkPlan, shrinkRunsMax } from './swarm/shrink.js';
export {
  hangChecker,
  type RealTimer,
  type WorkerPlayerOptions,
  wallMsMax,
  workerPlayer,
} from './swarm/worker-player.js';
export { type Breach, BreachError, type BreachKind, breachKinds, type Verdict } from './verdict.js';
export { createWorld, World, type WorldNode, type WorldOptions } from './world.js';
