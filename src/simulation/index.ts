/**
 * `statemesh/simulation`: a deterministic world for tests of programs that embed statemesh, and for our own.
 */

export type { Checker, CheckerFactory, View } from './checker.js';
export { allCheckers } from './checkers/index.js';
export type { Duration } from './clock.js';
export type { Backup } from './disk.js';
export type { Delivery } from './network/delivery.js';
export type { Latency } from './network/latency.js';
export type { Concern, Moment, Parcel, Rule, Verdict as RuleVerdict } from './network/rule.js';
export * as rules from './network/rules.js';
export type { Topology } from './network/topology.js';
export type { Weather } from './network/weather.js';
export type { Acknowledged, Heard, Observer } from './observer.js';
export { drawPlan, type Fault, type Plan, type PlannedWrite, type PlanOptions } from './swarm/plan.js';
export { playPlan } from './swarm/play.js';
export type { TraceLine, TraceSink } from './trace.js';
export { type Breach, BreachError, type BreachKind, breachKinds, type Verdict } from './verdict.js';
export { createWorld, type Datagram, World, type WorldOptions } from './world.js';
export type { WorldNode } from './world-node.js';
