/** Slow lines in the plans of the swarm. */
import { describe, expect, it } from '@jest/globals';
import { limits } from '../../src/core/limits.js';
import { drawPlan, type Fault, faultDomains } from '../../src/simulation/swarm/plan.js';
import { playPlan } from '../../src/simulation/swarm/play.js';

const options = { nodes: [3, 5], durationMs: 60_000 } as const;
const seeds = Array.from({ length: 100 }, (_, index) => index + 1);
const plans = seeds.map((seed) => drawPlan({ ...options, seed, faults: ['links'] }));

type Line = Extract<Fault, { kind: 'link' | 'cloudLink' }>;
const lines = plans.flatMap(({ faults }) => faults as readonly Line[]);

function share(isCounted: (line: Line) => boolean): number {
  return lines.filter(isCounted).length / lines.length;
}

describe('slow lines in plans', () => {
  it('links: many plans -> from 32 kbit/s to 1 Gbit/s and up to 5 s, as many in each power of ten', () => {
    expect(Math.min(...lines.map(({ bytesPerSecond }) => bytesPerSecond))).toBeGreaterThanOrEqual(4_000);
    expect(Math.max(...lines.map(({ bytesPerSecond }) => bytesPerSecond))).toBeLessThanOrEqual(125_000_000);
    expect(Math.max(...lines.map(({ roundTripMs }) => roundTripMs))).toBeLessThanOrEqual(5_000);
    expect(share(({ bytesPerSecond }) => bytesPerSecond < 40_000)).toBeCloseTo(0.22, 1);
    expect(share(({ roundTripMs }) => roundTripMs > 500)).toBeCloseTo(0.27, 1);
  });

  it('links: plans with cloud nodes -> local lines and lines to the cloud', () => {
    expect(share(({ kind }) => kind === 'cloudLink')).toBeGreaterThan(0.15);
    expect(share(({ kind }) => kind === 'link')).toBeGreaterThan(0.5);
    const withoutClouds = plans.filter(({ clouds }) => clouds === 0).flatMap(({ faults }) => faults);
    expect(withoutClouds.some(({ kind }) => kind === 'cloudLink')).toBe(false);
  });

  it('links: some plans -> large documents, up to the maximum size', () => {
    const largest = plans.map(({ writes }) => Math.max(...writes.map(({ bytes = 0 }) => bytes)));
    const withLarge = largest.filter((bytes) => bytes > 300_000);
    expect(withLarge.length / plans.length).toBeGreaterThan(0.2);
    expect(withLarge.length / plans.length).toBeLessThan(0.4);
    expect(Math.max(...largest)).toBeGreaterThan(3_000_000);
    expect(Math.max(...largest)).toBeLessThan(limits.documentBytesMax);
  });

  it('links: left out -> everything else is drawn as before', () => {
    for (const seed of seeds.slice(0, 5)) {
      const without = faultDomains.filter((domain) => domain !== 'links');
      const [all, usual] = [faultDomains, without].map((faults) => drawPlan({ ...options, seed, faults }));
      const others = all?.faults.filter(({ kind }) => kind !== 'link' && kind !== 'cloudLink');
      expect(others).toEqual(usual?.faults);
      expect(all?.writes.filter(({ key }) => !key.startsWith('large-'))).toEqual(usual?.writes);
    }
  });

  it('links: a line from a node to itself, one to a missing cloud node -> nothing happens', async () => {
    const plan = drawPlan({ seed: 1, nodes: [2, 2], durationMs: 1_000, faults: [] });
    const line = { atMs: 0, bytesPerSecond: 4_000, roundTripMs: 100 } as const;
    const faults: Fault[] = [
      { ...line, kind: 'link', from: 2, to: 0 },
      { ...line, kind: 'cloudLink', node: 0, cloud: 1 },
    ];
    const verdict = await playPlan({ ...plan, clouds: 0, faults });
    expect(verdict.breach).toBeUndefined();
    expect(verdict.traceHash).toBe((await playPlan({ ...plan, clouds: 0 })).traceHash);
  });
});

describe('strangers in plans', () => {
  const groups = seeds.flatMap((seed) => {
    const { faults, nodes } = drawPlan({ ...options, seed, faults: ['strangers'] });
    return faults.flatMap((fault) => (fault.kind === 'strangers' ? [{ ...fault, isCloud: fault.node >= nodes }] : []));
  });

  it('strangers: many plans -> a few groups in some, at nodes and cloud nodes, silent ones and loud ones', () => {
    expect(groups.length).toBeGreaterThan(20);
    expect(groups.length).toBeLessThan(200);
    expect(new Set(groups.map(({ isCloud, says }) => `${isCloud} ${says}`)).size).toBe(4);
  });
});
