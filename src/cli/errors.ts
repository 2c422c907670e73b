/** `statemesh errors`: lists all error codes, with the meaning and the exit code of each. */
import type { Command } from 'commander';
import { errorCodes } from '../control/protocol.js';
import { adviceOn, exitCodeHelp, exitCodeOf, exitCodes } from './exit-codes.js';
import { badInput } from './failures.js';
import { print, printJson, table } from './output.js';

type Code = keyof typeof errorCodes;

export function defineErrors(command: Command): void {
  command
    .argument('[code]', 'only this one')
    .option('--json', 'print a JSON line for each: {"code","meaning","exitCode","advice"?}')
    .addHelpText('after', '\nPrograms find the same list in the package: `errorCodes`. Codes are stable.')
    .addHelpText('after', exitCodeHelp([exitCodes.ok, exitCodes.badInput]))
    .action((code: string | undefined, { json = false }: { json?: boolean }) => {
      const codes = (Object.keys(errorCodes) as Code[]).filter((each) => code === undefined || each === code);
      if (codes.length === 0) throw badInput(`There is no error code "${code}": see \`statemesh errors\`.`);
      if (json) for (const each of codes) printJson(describe(each));
      else print(table(['CODE', 'EXIT', 'MEANING'], codes.map(rowOf), [1]));
    });
}

function describe(code: Code): { code: Code; meaning: string; exitCode: number; advice: string | undefined } {
  return { code, meaning: errorCodes[code], exitCode: exitCodeOf(code), advice: adviceOn(code) };
}

function rowOf(code: Code): string[] {
  return [code, String(exitCodeOf(code)), errorCodes[code]];
}
