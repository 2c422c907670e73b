/** The messages between an inspector server and its pages: JSON texts over a WebSocket. */
import type { InspectorRecord } from './records.js';

export type ServerMessage =
  /** The first message. */
  | {
      readonly kind: 'hello';
      readonly version: number;
      /** The name of what is watched. */
      readonly title: string;
      /** Whether more records may come. */
      readonly isLive: boolean;
      /** The commands that the page may send. */
      readonly controls: readonly ControlName[];
      /** The address of Stately's inspector page, when pages may relay to it. */
      readonly stately: string | undefined;
    }
  | { readonly kind: 'records'; readonly records: readonly InspectorRecord[] }
  /** Sent when all records that were there at the start have been sent. */
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
  /** Virtual seconds per second; 0 pauses. */
  | { readonly name: 'pace'; readonly factor: number };

/** A command that the page may send. */
export type ControlName = Control['name'];

/** Carries out a command and returns a message about its result. */
export type Controller = (control: Control) => Promise<string>;
