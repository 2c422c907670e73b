/**
 * Long lists in windows of every width: rows that cannot be seen are not drawn, and visible rows are in their places. A
 * list with unlimited height would draw all its rows, and hang the page.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Page } from 'playwright-core';
import { type InspectorServer, readTrace, serveTrace } from 'statemesh/inspector';
import { show } from './browser.js';
import { browserPages, recordTrace } from './pages.js';

const directory = mkdtempSync(join(tmpdir(), 'statemesh-e2e-lists-'));
const widths = [360, 480, 640, 759, 760, 761, 1_000, 1_280, 1_920];
const eventsMin = 36_000;
const actorsAdded = 3_000;
/** For the whole page, whatever the number of records. */
const elementsMax = 6_000;

const pages = browserPages();
let server: InspectorServer;

beforeAll(async () => {
  const short = join(directory, 'short.jsonl');
  recordTrace(short);
  const long = join(directory, 'long.jsonl');
  writeFileSync(long, lengthened(readFileSync(short, 'utf8').split('\n')).join('\n'));
  server = await serveTrace(await readTrace(long), { port: 0, title: 'long' });
});
afterAll(async () => {
  await server?.close();
  rmSync(directory, { recursive: true, force: true });
});

interface ActorLine {
  readonly type: string;
  readonly node: string;
  readonly sessionId: string;
  readonly rootId: string;
  readonly logic?: string;
  readonly parentId?: string;
}

/** Adds many more sessions of one node, and many more visible events. */
function lengthened(lines: readonly string[]): string[] {
  const shown = lines.filter((line) => /"type":"@xstate\.event"/.test(line) && /"type":"session\./.test(line));
  // No process ends: an ended process is in no list.
  const others = lines.filter((line) => /"type":"(@xstate\.actor|statemesh\.)/.test(line) && !/"ended"/.test(line));
  const actors = others.map((line) => JSON.parse(line) as ActorLine);
  // Peers with distinct names are rows of the table, and rows of the tree.
  const peer = actors.find(({ logic }) => logic === 'peer');
  if (peer === undefined || shown.length === 0) throw new Error('The trace has no peer, or no events of sessions.');
  const added = Array.from({ length: actorsAdded }, (_, index) =>
    JSON.stringify({
      ...peer,
      sessionId: `${peer.sessionId}-${index}`,
      name: `peer-till-${index}`,
      snapshot: { status: 'active', value: 'idle', context: { nodeId: `till-${index}`, attempt: index } },
    }),
  );
  const events = Array.from({ length: eventsMin }, (_, index) => shown[index % shown.length] as string);
  return [...others, ...added, ...events];
}

const open = (width: number): Promise<Page> => pages.open(server.url.reveal(), { viewport: { width, height: 900 } });

const elementsOf = (page: Page) => page.evaluate('document.querySelectorAll("*").length') as Promise<number>;
const widthOf = (page: Page) => page.evaluate('document.documentElement.scrollWidth') as Promise<number>;

interface Drawn {
  readonly rows: number;
  /** Rows that are at least partly within the scrolling area. */
  readonly visible: number;
  /** How much of the scrolling area, below its heads, no row covers, in px. */
  readonly gapPx: number;
  readonly overlaps: number;
  readonly heightPx: number;
}

/** How the rows of a list are placed in their scrolling area. */
async function drawnIn(page: Page, scroller: string, row: string): Promise<Drawn> {
  return (await page.evaluate(`(() => {
    const frame = document.querySelector(${JSON.stringify(scroller)}).getBoundingClientRect();
    const boxes = [...document.querySelectorAll(${JSON.stringify(row)})].map((each) => each.getBoundingClientRect());
    boxes.sort((one, other) => one.top - other.top);
    const visible = boxes.filter(({ top, bottom }) => bottom > frame.top && top < frame.bottom);
    let covered = 0;
    let overlaps = 0;
    for (const [index, box] of boxes.entries()) {
      covered += Math.max(0, Math.min(box.bottom, frame.bottom) - Math.max(box.top, frame.top));
      if (index > 0 && box.top < boxes[index - 1].bottom - 0.5) overlaps += 1;
    }
    return {
      rows: boxes.length, visible: visible.length, overlaps,
      gapPx: frame.height - covered, heightPx: frame.height,
    };
  })()`)) as Drawn;
}

async function scrollTo(page: Page, scroller: string, share: number): Promise<void> {
  await page.evaluate(`(async () => {
    const list = document.querySelector(${JSON.stringify(scroller)});
    // Rows are measured as they come to be drawn, which moves the end.
    for (let time = 0; time < 8; time++) {
      list.scrollTop = (list.scrollHeight - list.clientHeight) * ${share};
      await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
    }
  })()`);
}

describe('long lists', () => {
  it.each(widths)(
    '36,000 events in a window of %i pixels -> only visible rows are drawn, without gaps',
    async (width) => {
      const page = await open(width);
      await show(page, 'Events');
      await page.locator('.sequence-row').first().waitFor();
      await page.getByText(/^3\d,\d\d\d of /).waitFor();
      for (const share of [0, 0.5, 1]) {
        await scrollTo(page, '.sequence', share);
        const { rows, visible, overlaps, gapPx, heightPx } = await drawnIn(page, '.sequence', '.sequence-row');
        expect(heightPx).toBeGreaterThan(150);
        expect(heightPx).toBeLessThan(900);
        expect(rows).toBeLessThanOrEqual(200);
        expect(visible).toBeGreaterThan(4);
        expect(overlaps).toBe(0);
        // The heads of the lanes, and a scroll bar.
        expect(gapPx).toBeLessThan(60);
      }
      expect(await elementsOf(page)).toBeLessThan(elementsMax);
      expect(await widthOf(page)).toBe(width);
      // The last one can be selected, and its details do not take the list's place.
      await page.locator('.sequence-row').last().click();
      await page.getByRole('complementary', { name: 'Event' }).waitFor();
      expect((await drawnIn(page, '.sequence', '.sequence-row')).visible).toBeGreaterThan(2);
    },
  );

  it.each([360, 760, 1_280])('3,000 actors of a node in a window of %i pixels -> the same', async (width) => {
    const page = await open(width);
    await show(page, 'Actors');
    await page.locator('.tree-row').first().waitFor();
    for (const share of [0, 0.5, 1]) {
      await scrollTo(page, '.actors-side', share);
      const { rows, visible, overlaps } = await drawnIn(page, '.actors-side', '.tree-row');
      expect(rows).toBeLessThanOrEqual(200);
      expect(visible).toBeGreaterThan(share === 0 ? 0 : 3);
      expect(overlaps).toBe(0);
    }
    expect(await elementsOf(page)).toBeLessThan(elementsMax);
    expect(await widthOf(page)).toBe(width);
    const tree = page.getByRole('tree');
    await tree.press('End');
    await tree.press('Home');
    await page.locator('.tree-row-selected').waitFor();
    expect(await page.locator('.tree-row-selected').getAttribute('aria-level')).toBe('1');
  });

  it.each([360, 760, 1_280])('3,000 peers in a table in a window of %i pixels -> the same', async (width) => {
    const page = await open(width);
    await show(page, 'Tables');
    await page.locator('.tables tbody tr').first().waitFor();
    for (const share of [0, 0.5, 1]) {
      await scrollTo(page, '.tables', share);
      const { rows, visible, overlaps } = await drawnIn(page, '.tables', '.tables tbody tr[data-index]');
      expect(rows).toBeLessThanOrEqual(600);
      expect(visible).toBeGreaterThan(0);
      expect(overlaps).toBe(0);
    }
    await scrollTo(page, '.tables', 0.5);
    const { gapPx } = await drawnIn(page, '.tables', '.tables tbody tr[data-index]');
    expect(gapPx).toBeLessThan(60);
    expect(await elementsOf(page)).toBeLessThan(elementsMax);
    expect(await widthOf(page)).toBe(width);
  });
});
