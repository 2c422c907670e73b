/** What an inspector server and its pages say to each other: JSON texts over a WebSocket. */
import type { InspectorRecord } from './records.js';

export type ServerMessage =
  /** First. */
  | {
      readonly kind: 'hello';
      readonly version: number;
      /** What is being looked at. */
      readonly title: string;
      /** Whether there is more to come. */
      readonly isLive: boolean;
      /** What the page may ask for. */
      readonly controls: readonly ControlName[];
      /** Stately's inspector page, when it may be relayed to. */
      readonly stately: string | undefined;
    }
  | { readonly kind: 'records'; readonly records: readonly InspectorRecord[] }
  /** All that was there when the page came. */
  | { readonly kind: 'caughtUp' }
  | { readonly kind: 'reply'; readonly request: number; readonly isDone: boolean; readonly message: string };

export interface PageMessage {
  readonly kind: 'control';
  readonly request: number;
  readonly control: Control;
}

/** What a page may do to a demo or a simulation. */
export type Control =
  | {
      readonly name: 'put';
      readonly node: string;
      readonly collection: string;
      readonly key: string;
      readonly document: unknown;
    }
  | { readonly name: 'crash'; readonly node: string }
  | { readonly name: 'stop'; readonly node: string }
  | { readonly name: 'restart'; readonly node: string }
  | { readonly name: 'reconfigure'; readonly node: string; readonly fields: Readonly<Record<string, unknown>> }
  | { readonly name: 'partition'; readonly groups: readonly (readonly string[])[] }
  | { readonly name: 'heal' }
  /** Virtual seconds a second; 0 stands still. */
  | { readonly name: 'pace'; readonly factor: number };

/** What a page may ask a simulation to do. */
export type ControlName = Control['name'];

/** Carries it out, and says what came of it. */
export type Controller = (control: Control) => Promise<string>;
