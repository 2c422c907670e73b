/**
 * Finds accesses to plain objects by names that may come from outside, with the syntax tree and the types. On a plain
 * object, `constructor`, `toString` and `__proto__` are found although no code has set them.
 *
 * A key is suspicious if its type, before any assertion, admits a name of Object.prototype: text, branded text such as
 * a NodeId, or `any`. A closed union of texts, a number, and a template such as `p${number}` are not suspicious. A
 * suspicious key is wrong in
 * - `record[key]`, read, written or deleted, and `{ [key]: value } = record`;
 * - `key in record`;
 * - `Object.assign(target, source)` of a source with such keys: unlike spreading, it sets the prototype by `__proto__`;
 * - `Reflect.get(record, key)` and the like.
 *
 * Maps, `Object.entries`, `Object.fromEntries`, `Object.hasOwn`, spreading and `own` of core are right.
 *
 * test/architecture/outside-names.test.ts runs this program in a process of its own, because the compiler is many times
 * slower in the sandbox of the test runner. Standard input: `{ directories, samples }`, where samples are additional
 * sources by path. Standard output: the findings.
 */
import { readFileSync } from 'node:fs';
import { relative, resolve } from 'node:path';
import ts from 'typescript';

const inherited = Object.getOwnPropertyNames(Object.prototype);

/** All files in these directories. */
function filesIn(directories) {
  return directories.flatMap((directory) => ts.sys.readDirectory(resolve(directory), ['.ts', '.tsx']));
}

/** @param overrides Sources by absolute path that replace the files on disk */
function findOutsideNames(files, overrides = new Map()) {
  const program = programOf(files, overrides);
  const checker = program.getTypeChecker();
  const isSuspicious = suspicion(checker);
  return files.flatMap((file) => {
    const source = program.getSourceFile(file);
    if (source === undefined) throw new Error(`${file} cannot be read.`);
    const found = [];
    const visit = (node) => {
      if (isLookUpByOutsideName(node, checker, isSuspicious)) {
        const { line } = source.getLineAndCharacterOfPosition(node.getStart());
        const path = relative('.', file);
        found.push({ where: `${path}:${line + 1}`, file: path, text: node.getText().split('\n')[0] ?? '' });
      }
      ts.forEachChild(node, visit);
    };
    visit(source);
    return found;
  });
}

function programOf(files, overrides) {
  const { options } = ts.parseJsonConfigFileContent(
    ts.readConfigFile('tsconfig.json', ts.sys.readFile).config,
    { ...ts.sys, readDirectory: () => [] },
    resolve('.'),
  );
  const all = {
    ...options,
    jsx: ts.JsxEmit.ReactJSX,
    lib: ['lib.es2024.d.ts', 'lib.esnext.disposable.d.ts', 'lib.dom.d.ts', 'lib.dom.iterable.d.ts'],
  };
  const host = ts.createCompilerHost(all);
  const { readFile, fileExists } = host;
  host.readFile = (path) => overrides.get(path) ?? readFile(path);
  host.fileExists = (path) => overrides.has(path) || fileExists(path);
  return ts.createProgram({ rootNames: files, options: all, host });
}

/** Judges each type once. */
function suspicion(checker) {
  const literals = inherited.map((name) => checker.getStringLiteralType(name));
  const known = new Map();
  const judge = (type) => {
    // A brand does not make a name safe.
    if (type.isUnionOrIntersection()) return type.types.some(takes);
    const bound = type.flags & ts.TypeFlags.Instantiable ? checker.getBaseConstraintOfType(type) : type;
    if (bound === undefined) return true;
    if (bound !== type) return takes(bound);
    return literals.some((literal) => checker.isTypeAssignableTo(literal, type));
  };
  const takes = (type) => {
    const before = known.get(type);
    if (before !== undefined) return before;
    // A recursive type is judged by its other parts.
    known.set(type, false);
    const answer = judge(type);
    known.set(type, answer);
    return answer;
  };
  return (key) => unasserted(key).some((each) => takes(checker.getTypeAtLocation(each)));
}

/** The expression inside type assertions: `name as Field` is judged as `name`. */
function unasserted(expression) {
  if (
    ts.isAsExpression(expression) ||
    ts.isNonNullExpression(expression) ||
    ts.isParenthesizedExpression(expression) ||
    ts.isSatisfiesExpression(expression)
  ) {
    return [expression, ...unasserted(expression.expression)];
  }
  return [expression];
}

function isLookUpByOutsideName(node, checker, isSuspicious) {
  if (ts.isElementAccessExpression(node)) return isSuspicious(node.argumentExpression);
  if (ts.isBinaryExpression(node) && node.operatorToken.kind === ts.SyntaxKind.InKeyword)
    return isSuspicious(node.left);
  if (ts.isComputedPropertyName(node)) return isPattern(node.parent) && isSuspicious(node.expression);
  if (!ts.isCallExpression(node)) return false;
  const called = node.expression.getText();
  const [, key] = node.arguments;
  if (/^Reflect\.(get|set|has|deleteProperty)$/.test(called)) return key !== undefined && isSuspicious(key);
  return called === 'Object.assign' && node.arguments.slice(1).some((source) => hasOpenKeys(source, checker));
}

/** `{ [key]: value } = record`, as a declaration or as an assignment. */
function isPattern(parent) {
  if (ts.isBindingElement(parent)) return true;
  const literal = parent.parent;
  return (
    ts.isPropertyAssignment(parent) &&
    ts.isBinaryExpression(literal.parent) &&
    literal.parent.operatorToken.kind === ts.SyntaxKind.EqualsToken &&
    literal.parent.left === literal
  );
}

function hasOpenKeys(source, checker) {
  if (ts.isSpreadElement(source)) {
    const list = checker.getTypeAtLocation(source.expression);
    const item = checker.getIndexTypeOfType(list, ts.IndexKind.Number);
    return item === undefined || isOpen(item, checker);
  }
  return isOpen(checker.getTypeAtLocation(source), checker);
}

function isOpen(type, checker) {
  if (type.flags & (ts.TypeFlags.Any | ts.TypeFlags.Unknown | ts.TypeFlags.NonPrimitive)) return true;
  if (type.isUnionOrIntersection()) return type.types.some((each) => isOpen(each, checker));
  return checker.getIndexTypeOfType(type, ts.IndexKind.String) !== undefined;
}

const { directories, samples } = JSON.parse(readFileSync(0, 'utf8'));
const overrides = new Map(Object.entries(samples).map(([path, text]) => [resolve(path), text]));
process.stdout.write(JSON.stringify(findOutsideNames([...filesIn(directories), ...overrides.keys()], overrides)));
