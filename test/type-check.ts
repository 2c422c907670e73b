/** Compiles modules that exist in memory only, under the rules of the project. */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import ts from 'typescript';

/**
 * @param modules Texts by path, such as `test/example-1.ts`; all are compiled in one program
 * @returns The problems by path
 */
export function typeProblems(modules: ReadonlyMap<string, string>): { path: string; message: string }[] {
  const { config } = ts.readConfigFile('tsconfig.json', (path) => readFileSync(path, 'utf8'));
  const { options } = ts.parseJsonConfigFileContent(config, ts.sys, resolve('.'));
  const files = new Map([...modules].map(([path, text]) => [resolve(path), text]));
  const host = ts.createCompilerHost(options);
  const { getSourceFile, fileExists } = host;
  host.getSourceFile = (path, version, ...rest) => {
    const text = files.get(resolve(path));
    return text === undefined ? getSourceFile(path, version, ...rest) : ts.createSourceFile(path, text, version);
  };
  host.fileExists = (path) => files.has(resolve(path)) || fileExists(path);
  // An example need not use everything that it declares.
  const lenient = { ...options, noUnusedLocals: false, noEmit: true };
  const program = ts.createProgram([...files.keys()], lenient, host);
  return [...modules.keys()].flatMap((path) =>
    ts
      .getPreEmitDiagnostics(program, program.getSourceFile(resolve(path)))
      .map(({ messageText }) => ({ path, message: ts.flattenDiagnosticMessageText(messageText, '\n') })),
  );
}
