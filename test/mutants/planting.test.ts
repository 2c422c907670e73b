/** Planting a bug makes it real, in a copy only. */
import { readFileSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, it } from '@jest/globals';
import { applyEdit, type Edit, StaleError } from '../../mutants/mutant.js';
import { compile, plant } from '../../mutants/plant.js';

const project = resolve('.');
const sourceOf = (file: string) => readFileSync(join('src', file), 'utf8');

describe('an edit', () => {
  const edit: Edit = { file: 'a.ts', find: 'one', replace: 'two' };

  it('its place: occurs once -> is replaced', () => {
    expect(applyEdit('zero one $& three', { ...edit, replace: '$& two' })).toBe('zero $& two $& three');
  });

  it('its place: missing -> is stale', () => {
    expect(() => applyEdit('zero three', edit)).toThrow(StaleError);
  });

  it('its place: occurs twice -> is stale', () => {
    expect(() => applyEdit('one one', edit)).toThrow(StaleError);
  });
});

describe('planting', () => {
  it("an unchanged file: compiled alone -> equals the build's output", () => {
    for (const file of ['core/hlc.ts', 'machines/sender.machine.ts', 'store/transaction.ts']) {
      const built = readFileSync(join('build/modules', file.replace(/ts$/, 'js')), 'utf8');
      expect(compile(sourceOf(file), join(project, 'src', file), project)).toBe(built);
    }
  });

  it('an unused import: compiled alone -> stays, as the settings of the build say', () => {
    expect(compile("import { a } from './a.js';", join(project, 'src/b.ts'), project)).toContain('./a.js');
  });

  it('a mutant: planted -> its bug is in the copy, and the build stays as it is', async () => {
    const edit = { file: 'core/hlc.ts', find: '(atWall > last ? atWall : last + 1)', replace: 'atWall' };
    const planted = plant({ name: 'of-the-test', edits: [edit] }, project);
    try {
      const load = async (directory: string) =>
        (await import(pathToFileURL(join(directory, 'core/hlc.js')).href)) as typeof import('../../src/core/hlc.js');
      const [bad, good] = [await load(planted), await load(resolve('build/modules'))];
      const last = good.packHlc(2_000_000_000_000, 0);
      expect(good.nextHlc(last, 1_900_000_000_000)).toBeGreaterThan(last);
      expect(bad.nextHlc(last, 1_900_000_000_000)).toBeLessThan(last);
      const entry = (await import(pathToFileURL(join(planted, 'simulation/index.js')).href)) as object;
      expect(entry).toHaveProperty('playPlan');
    } finally {
      rmSync(planted, { recursive: true });
    }
  });
});
