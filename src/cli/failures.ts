/** How a command ends that has failed: one line what, one line what to do, or `{ code, message }`; never a stack. */
import { type ErrorCode, failureOf, StatemeshError } from '../control/protocol.js';
import { adviceOn, type ExitCode, exitCodeOf } from './exit-codes.js';
import { clean, jsonOf, paint, printError } from './output.js';

export interface ReportOptions {
  readonly json?: boolean | undefined;
  /** A node is being started: what is not available means something else then. */
  readonly isStarting?: boolean;
}

/** @returns The exit code that goes with the error */
export function reportFailure(error: unknown, { json = false, isStarting = false }: ReportOptions = {}): ExitCode {
  const { code, message } = failureOf(error);
  if (json) {
    printError(jsonOf({ code, message }));
  } else {
    const advice = adviceOn(code, { isStarting });
    printError(`${paint('red', 'error:', process.stderr)} ${clean(message)}`);
    if (advice !== undefined) printError(`${paint('dim', 'hint:', process.stderr)}  ${advice}`);
  }
  return exitCodeOf(code, { isStarting });
}

export function badInput(message: string, code: ErrorCode = 'requestInvalid'): StatemeshError {
  return new StatemeshError(code, message);
}
