/** `statemesh/inspector`: shows actors in the browser, records traces, and shows them again. */

export type { Chart, ChartState, ChartTransition } from './chart.js';
export type { History, HistoryBounds } from './history.js';
export { createInspector, type Inspector, type InspectorOptions, type Watch } from './inspector.js';
export type { InspectorServer } from './inspector-server.js';
export type * from './records.js';
export type { Summary } from './summary.js';
export { readTrace, type ServeTraceOptions, serveTrace, type Trace } from './trace.js';
export type { Control, Controller, ControlName } from './wire.js';
