/** The cost of inspection: the same initial sync without an inspector, with one, and with a browser that watches it. */
import type { Figure } from '../bench.js';
import { interleave, median } from '../measure.js';
import { type SyncSample, syncOnce } from './sync.js';

export const inspectorFigure: Figure = {
  name: 'inspector',
  about: 'initial sync with the inspector off, on, and watched',
  async measure(bench) {
    const documents = bench.quick ? 20_000 : 100_000;
    const rounds = bench.rounds({ quick: 3, full: 5 });
    await bench.filledDatabase(documents);
    const measured = await interleave(
      { rounds, warmUp: false, onRound: bench.show },
      {
        off: () => syncOnce(bench, documents),
        on: () => syncOnce(bench, documents, { isInspected: true }),
        watched: () => syncOnce(bench, documents, { isInspected: true, isWatched: true }),
      },
    );
    const speed = (samples: readonly SyncSample[]): number =>
      (documents * 1_000) / median(samples.map(({ fromConnectedMs }) => fromConnectedMs));
    const limit = speed(measured.off);
    return [
      { name: 'initial sync with the inspector on', value: speed(measured.on), note: 'limit: with it off' },
      {
        name: 'initial sync, watched on both sides',
        value: speed(measured.watched),
        note: 'limit: with the inspector off',
      },
    ].map((result) => ({ ...result, unit: 'entries/s', limit, rounds }));
  },
};
