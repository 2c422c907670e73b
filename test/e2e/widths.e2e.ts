/**
 * The page at the widths of phones, tablets and screens, with 100,000 records of a site of five nodes whose leader has
 * a link to the cloud: it does not hang, cuts nothing off, draws everything in its place, and shows the right texts.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Page } from 'playwright-core';
import {
  createInspector,
  type Inspector,
  type InspectorRecord,
  type InspectorServer,
  readTrace,
  serveTrace,
} from 'statemesh/inspector';
import { createWorld } from 'statemesh/simulation';
import { show } from './browser.js';
import { browserPages } from './pages.js';

const pages = browserPages();
const directory = mkdtempSync(join(tmpdir(), 'statemesh-e2e-widths-'));
const recordsMin = 100_000;
const elementsMax = 6_000;
const views = ['Cluster', 'Actors', 'Events', 'Tables'] as const;
/** With the typical height of such a window. */
const windows = [
  [360, 740],
  [700, 900],
  [768, 1_024],
  [1_280, 720],
  [1_920, 1_080],
] as const;

let records: readonly InspectorRecord[];
let server: InspectorServer;
/** The same records, as of a live cluster. */
let live: Inspector;
let liveUrl: string;

beforeAll(async () => {
  records = await recordSite();
  const file = join(directory, 'long.jsonl');
  writeFileSync(
    file,
    lengthened(records)
      .map((record) => JSON.stringify(record))
      .join('\n'),
  );
  server = await serveTrace(await readTrace(file), { port: 0, title: 'a site of five' });
  live = createInspector({ port: 0, title: 'live' });
  const { url } = await live.open();
  liveUrl = url?.reveal() ?? '';
  for (const record of records) live.add(record);
});
afterAll(async () => {
  await server?.close();
  await live?.close();
  rmSync(directory, { recursive: true, force: true });
});

/**
 * The first node is gone, so another one leads. A partition gives the other nodes a leader of their own, with a link of
 * its own.
 */
async function recordSite(): Promise<InspectorRecord[]> {
  const recorded: InspectorRecord[] = [];
  let isOver = false;
  const world = createWorld({ seed: 8, records: (record) => isOver || recorded.push(record) });
  const authority = world.authority({});
  const client = authority.register({ clientId: 'office', clientSecret: 'open sesame' });
  const [cloud] = world.cloud(['cloud-1'], { authority });
  const nodes = world.lan('office', ['node-a', 'node-b', 'node-c', 'node-d', 'node-e'], {
    initialRemotePeers: [world.cloudPeer(cloud, client)],
    environment: { CLOUD_SECRET: client.clientSecret },
  });
  const isOnline = (node: (typeof nodes)[number]) =>
    node.isUp && node.node.gateways.some(({ state }) => state === 'online');
  await world.until(() => isOnline(nodes[0]), { within: '60s' });
  await nodes[1].collection('articles').put('espresso', { price: 2 });
  world.crash(nodes[0]);
  world.partition([nodes[1], nodes[2]], [nodes[3], nodes[4]]);
  await world.until(() => isOnline(nodes[1]) && isOnline(nodes[3]), { within: '120s' });
  await world.run('2s');
  isOver = true;
  world.restart(nodes[0]);
  world.heal();
  await world.close();
  return recorded;
}

function lengthened(all: readonly InspectorRecord[]): InspectorRecord[] {
  const events = all.filter(({ type }) => type === '@xstate.event');
  const missing = Math.max(0, recordsMin - all.length);
  const endMs = all.at(-1)?.atMs ?? 0;
  const added = Array.from({ length: missing }, (_, index) => {
    return { ...(events[index % events.length] as InspectorRecord), atMs: endMs + index / 10 };
  });
  return [...all, ...added];
}

function opened(width: number, height: number, url = server.url.reveal()): Promise<Page> {
  return pages.open(url, { viewport: { width, height } });
}

/** Parts that a window cuts off: controls and heads that are not wholly in it, or in their scrolling area. */
const cut = `(() => {
  const name = (each) => (each.getAttribute('aria-label') || each.textContent || each.tagName).trim().slice(0, 40);
  const scrolls = (each) => {
    const { overflowX, overflowY } = getComputedStyle(each);
    return /auto|scroll/.test(overflowX + overflowY);
  };
  const found = [];
  for (const each of document.querySelectorAll('header button, header h1, main button, main select, main input, main label, footer button, footer select, footer input, footer output')) {
    const box = each.getBoundingClientRect();
    if (box.width === 0 || each.closest('.visually-hidden, .react-flow')) continue;
    let around = each.parentElement;
    while (around && !scrolls(around)) around = around.parentElement;
    // A scrolling element may hold more than it shows, but nothing wider than itself.
    const edge = (around ?? document.documentElement).getBoundingClientRect();
    if (around === null && (box.top < -1 || box.bottom > innerHeight + 1)) found.push(name(each) + ' is above or below');
    if (box.left < edge.left - 1 || (box.right > edge.right + 1 && !/tables|table-frame|sequence/.test(around?.className ?? ''))) found.push(name(each) + ' is beside');
    if (each.tagName === 'BUTTON' && each.scrollWidth > each.clientWidth + 1) found.push(name(each) + ' is too narrow for its words');
  }
  return found;
})()`;

/** Cards with a line below them that does not end at them. */
const crossed = `(() => {
  const cards = [...document.querySelectorAll('.react-flow__node')].map((each) => {
    const { left, right, top, bottom } = each.getBoundingClientRect();
    return { id: each.dataset.id, left, right, top, bottom };
  });
  const found = [];
  for (const edge of document.querySelectorAll('.react-flow__edge')) {
    const path = edge.querySelector('path.link');
    const matrix = path.getScreenCTM();
    const length = path.getTotalLength();
    const ends = edge.dataset.id.split(' ');
    for (let at = 0; at <= 200; at++) {
      const { x, y } = path.getPointAtLength((length * at) / 200).matrixTransform(matrix);
      for (const card of cards) {
        if (ends.includes(card.id)) continue;
        if (x > card.left && x < card.right && y > card.top && y < card.bottom) found.push(edge.dataset.id + ' behind ' + card.id);
      }
    }
  }
  return [...new Set(found)];
})()`;

/** The scrolling element, its rows, and how many of them must be wholly visible. */
const lists = {
  Actors: ['.actors-side', '.tree-row', 5],
  Events: ['.sequence', '.sequence-row', 7],
  Tables: ['.tables', '.tables tbody tr[data-index]', 4],
} as const;

/** Waits until this many rows of a list are wholly visible, in their scrolling area and in the window. */
async function untilRowsIn(page: Page, scroller: string, row: string, least: number): Promise<void> {
  const rows = `(() => {
    const frame = document.querySelector(${JSON.stringify(scroller)}).getBoundingClientRect();
    const bottom = Math.min(frame.bottom, innerHeight);
    return [...document.querySelectorAll(${JSON.stringify(row)})].filter((each) => {
      const box = each.getBoundingClientRect();
      return box.top >= frame.top - 1 && box.bottom <= bottom + 1;
    }).length;
  })()`;
  for (let turn = 0; turn < 100 && ((await page.evaluate(rows)) as number) < least; turn += 1)
    await page.waitForTimeout(50);
  expect(await page.evaluate(rows)).toBeGreaterThanOrEqual(least);
}

describe.each(windows)('100,000 records in a window of %i by %i pixels', (width, height) => {
  it('each view -> is as wide as the window, cuts nothing off, draws what is visible, and no link behind a foreign card', async () => {
    const page = await opened(width, height);
    for (const view of views) {
      await show(page, view);
      await page.locator('main > section').waitFor();
      if (view === 'Actors') await page.locator('.chart').waitFor();
      if (view === 'Events') {
        await page.locator('.sequence-row').first().waitFor();
        await page.getByLabel("heartbeats and XState's own").check();
        await page.getByText(/^\d\d,\d\d\d of 1\d\d,\d\d\d|^1\d\d,\d\d\d of /).waitFor();
      }
      expect([view, await page.evaluate('document.documentElement.scrollWidth')]).toEqual([view, width]);
      expect([view, await page.evaluate('document.documentElement.scrollHeight')]).toEqual([view, height]);
      expect([view, await page.evaluate(cut)]).toEqual([view, []]);
      expect(await page.evaluate('document.querySelectorAll("*").length')).toBeLessThan(elementsMax);
      if (view !== 'Cluster') {
        const [scroller, row, least] = lists[view];
        await untilRowsIn(page, scroller, row, least);
      }
    }
    await show(page, 'Cluster');
    await page.locator('.link-label').nth(3).waitFor();
    expect(await page.evaluate(crossed)).toEqual([]);
  });
});

describe('words of the page', () => {
  it('the actors -> those of a leader, not of a cloud node', async () => {
    const page = await opened(1_280, 720, liveUrl);
    await show(page, 'Actors');
    const node = page.getByRole('combobox', { name: 'Node' });
    expect(await node.locator('option').allTextContents()).toContain('cloud-1');
    expect(await node.locator('option:checked').innerText()).toMatch(/^node-b \(leader\)/);
  });

  it('sessions of nodes with equal data -> up to date; none synchronizes forever', async () => {
    const page = await opened(1_280, 720, liveUrl);
    await page.locator('.card', { hasText: 'node-b' }).click();
    const sessions = page.getByRole('complementary', { name: 'Chosen node' });
    await sessions
      .getByText(/up to date/)
      .first()
      .waitFor();
    expect(await sessions.innerText()).not.toContain('synchronizing');
    await show(page, 'Tables');
    expect(await page.locator('.tables').innerText()).not.toContain('synchronizing');
    expect(await page.locator('.tables td', { hasText: 'up to date' }).count()).toBeGreaterThan(3);
  });

  it('a live page -> says that it is live only while it is', async () => {
    const page = await opened(1_280, 720, liveUrl);
    const condition = page.locator('.condition');
    expect(await condition.innerText()).toBe('live');
    await page.getByRole('button', { name: 'One record back' }).click();
    expect(await condition.innerText()).toBe('in the past');
    live.add(records.at(-1) as InspectorRecord);
    expect(await condition.innerText()).toBe('in the past');
    await page.getByRole('button', { name: 'Live' }).click();
    expect(await condition.innerText()).toBe('live');
    await page.getByRole('slider').fill('100');
    expect(await condition.innerText()).toBe('in the past');
    // Played to its end, it shows the present again.
    await page.getByLabel('Speed').selectOption('50');
    await page.getByRole('button', { name: 'Play' }).click();
    await page.locator('.condition-live').waitFor();
  });
});
