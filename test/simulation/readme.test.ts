/** The worlds of the README run as they are written there, in a program of their own that uses the built package. */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { describe, expect, it } from '@jest/globals';
import ts from 'typescript';

const programs = [...readFileSync('README.md', 'utf8').matchAll(/```ts\n([\s\S]*?)```/g)]
  .map((match) => match[1] as string)
  .filter((code) => code.includes('createWorld'));

/**
 * What it prints.
 *
 * @throws Error when it ends with a code other than 0
 */
async function run(code: string): Promise<string> {
  const { outputText } = ts.transpileModule(code, {
    compilerOptions: { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022 },
  });
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', outputText]);
  return stdout;
}

describe('README', () => {
  it('the world of the example: run as written -> ends normally, with its document everywhere', async () => {
    const [example = ''] = programs;
    expect(await run(example)).toContain('Espresso');
  });

  it('the custom checker: run as written -> sees what is wrong', async () => {
    const [, checker = ''] = programs;
    const writing = (count: number) => `
      const [shop] = world.lan('office', ['shop']);
      await world.run('1s');
      const documents = Array.from({ length: ${count} }, (_, index) => ['k' + index, index]);
      await shop.collection('things').putMany(documents).catch(({ message }) => console.log(message));
      await world.close().catch(({ message }) => console.log(message));`;
    expect(await run(checker + writing(1_000))).toBe('');
    expect(await run(checker + writing(1_001))).toContain('few-entries at');
  });
});
