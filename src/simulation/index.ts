/**
 * `statemesh/simulation`: a deterministic world for tests of programs that embed statemesh, and for the tests of
 * statemesh itself.
 */

export type { Authority, AuthorityOptions, AuthorityRequest, ClientInput, TokenInput } from './authority.js';
export type { Checker, CheckerFactory, View } from './checker.js';
export { allCheckers } from './checkers/index.js';
export type { Duration } from './clock.js';
export type { Backup } from './disk.js';
export type { DiskFailure } from './failing-disk.js';
export type { Datagram, Line, Place } from './faults.js';
export type { LineQuality } from './network/bottleneck.js';
export type { Delivery } from './network/delivery.js';
export type { Latency } from './network/latency.js';
export type { Concern, Moment, Parcel, Rule, Verdict as RuleVerdict } from './network/rule.js';
export * as rules from './network/rules.js';
export type { Topology } from './network/topology.js';
export type { Weather } from './network/weather.js';
export type { Acknowledged, Heard, ProcessObserver } from './node.js';
export type { Observer } from './observer.js';
export type { StrangersOptions } from './strangers.js';
export {
  drawPlan,
  type Fault,
  type FaultDomain,
  faultDomains,
  type Plan,
  type PlannedWrite,
  type PlanOptions,
} from './swarm/plan.js';
export { type PerformOptions, type PlayPlanOptions, performPlan, playPlan } from './swarm/play.js';
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
export type { TraceLine, TraceSink } from './trace.js';
export { type Breach, BreachError, type BreachKind, breachKinds, type Verdict } from './verdict.js';
export type { Grant, OAuth2Client } from './web/oauth2.js';
export { type CloudOptions, createWorld, type LanOptions, World, type WorldOptions } from './world.js';
export type { WorldNode } from './world-node.js';
