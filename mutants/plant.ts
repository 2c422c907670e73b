/**
 * Plants a mutant: makes a copy of the compiled modules in which the changed files are compiled again. It copies
 * modules because one file cannot be replaced in a bundle.
 *
 * The copies lie in `build/planted`: the dependencies are found from there, and nothing in it is shipped.
 */
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';
import { applyEdit, type Mutant } from './mutant.js';

/** The directory with every module of the source, each compiled to a file of its own. */
export const modulesOf = (project: string): string => join(project, 'build', 'modules');

/**
 * @returns the directory that replaces {@link modulesOf}
 *
 * @throws StaleError
 */
export function plant({ name, edits }: Pick<Mutant, 'name' | 'edits'>, project: string): string {
  const texts = new Map<string, string>();
  for (const edit of edits) {
    const text = texts.get(edit.file) ?? readFileSync(join(project, 'src', edit.file), 'utf8');
    texts.set(edit.file, applyEdit(text, edit));
  }
  const planted = join(project, 'build', 'planted', name);
  rmSync(planted, { recursive: true, force: true });
  mkdirSync(planted, { recursive: true });
  cpSync(modulesOf(project), planted, { recursive: true });
  for (const [file, text] of texts) {
    writeFileSync(join(planted, file.replace(/\.ts$/, '.js')), compile(text, join(project, 'src', file), project));
  }
  return planted;
}

/**
 * Compiles one file as the build does.
 *
 * @throws Error when it is not TypeScript
 */
export function compile(text: string, fileName: string, project: string): string {
  const { outputText, diagnostics = [] } = ts.transpileModule(text, {
    fileName,
    reportDiagnostics: true,
    compilerOptions: {
      ...buildOptions(project),
      // A single file does not see the package.json that makes it a module.
      module: ts.ModuleKind.ESNext,
      moduleResolution: ts.ModuleResolutionKind.Bundler,
    },
  });
  const [first] = diagnostics;
  if (first !== undefined) throw new Error(`${fileName}: ${ts.flattenDiagnosticMessageText(first.messageText, '\n')}`);
  return outputText;
}

function buildOptions(project: string): ts.CompilerOptions {
  const path = join(project, 'tsconfig.build.json');
  const parsed = ts.getParsedCommandLineOfConfigFile(path, undefined, {
    ...ts.sys,
    onUnRecoverableConfigFileDiagnostic: ({ messageText }) => {
      throw new Error(ts.flattenDiagnosticMessageText(messageText, '\n'));
    },
  });
  if (parsed === undefined) throw new Error(`${path} cannot be read.`);
  return parsed.options;
}
