/** How a failed command ends: one line with the error, one line with advice, or `{ code, message }`; never a stack. */
import { type ErrorCode, failureOf, StatemeshError } from '../control/protocol.js';
import { adviceOn, type ExitCode, exitCodeOf } from './exit-codes.js';
import { clean, jsonOf, paint, printError } from './output.js';

export interface ReportOptions {
  readonly json?: boolean | undefined;
  /** Whether a node is being started: an unavailable socket then means something else. */
  readonly isStarting?: boolean;
  /** Whether the command was called in a way that does not exist, so that its help helps. */
  readonly isUsage?: boolean;
}

/** @returns The exit code of the error */
export function reportFailure(
  error: unknown,
  { json = false, isStarting = false, isUsage = false }: ReportOptions = {},
): ExitCode {
  const { code, message } = failureOf(error);
  if (json) {
    printError(jsonOf({ code, message }));
  } else {
    // A message that names a command says itself what to do, and so does one about a wrong value.
    const isAdvice = message.includes('`statemesh ') || (code === 'requestInvalid' && !isUsage);
    const advice = isAdvice ? undefined : adviceOn(code, { isStarting });
    printError(`${paint('red', 'error:', process.stderr)} ${clean(message)}`);
    if (advice !== undefined) printError(`${paint('dim', 'hint:', process.stderr)}  ${advice}`);
  }
  return exitCodeOf(code, { isStarting });
}

export function badInput(message: string, code: ErrorCode = 'requestInvalid'): StatemeshError {
  return new StatemeshError(code, message);
}
