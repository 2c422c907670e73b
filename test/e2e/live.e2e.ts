/** The page of a live cluster of real processes: it shows the present, and any past moment again. */
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Locator, Page } from 'playwright-core';
import { show } from './browser.js';
import { Cluster } from './cluster.js';
import { browserPages } from './pages.js';

const pages = browserPages();
let cluster: Cluster;

beforeAll(async () => {
  cluster = new Cluster();
  await cluster.start();
});
afterAll(async () => {
  await cluster?.close();
});

const open = (): Promise<Page> => pages.open(cluster.url);

function card(page: Page, nodeId: string): Locator {
  return page.locator('.card', { has: page.locator('.card-name', { hasText: nodeId }) });
}

/** Waits until this node's card has the crown. */
async function crowned(page: Page, nodeId: string): Promise<void> {
  await card(page, nodeId).locator('.crown').waitFor();
  expect(await page.locator('.card .crown').count()).toBe(1);
}

function links(page: Page): Locator {
  return page.locator('.link-label');
}

async function untilCount(locator: Locator, count: number): Promise<void> {
  for (let turn = 0; turn < 300 && (await locator.count()) !== count; turn++) await locator.page().waitForTimeout(50);
  expect(await locator.count()).toBe(count);
}

describe('a live cluster', () => {
  it('three nodes -> appear with their sessions, and the smallest has the crown', async () => {
    const page = await open();
    await untilCount(page.locator('.card'), 3);
    await untilCount(links(page), 3);
    await crowned(page, 'node-a');
    expect(await page.locator('.condition').innerText()).toBe('live');
  });

  it('the leader is killed from the page -> its sessions disappear, the crown moves; started again -> both come back', async () => {
    const page = await open();
    await crowned(page, 'node-a');
    await card(page, 'node-a').click();
    await page.getByRole('button', { name: 'Crash' }).click();
    await page.locator('.card-down', { hasText: 'node-a' }).waitFor();
    await crowned(page, 'node-b');
    await untilCount(links(page), 1);
    await page.getByRole('button', { name: 'Start', exact: true }).click();
    await untilCount(links(page), 3);
    await crowned(page, 'node-a');
    expect(await page.locator('.band-leader').count()).toBeGreaterThanOrEqual(3);
    expect(await page.locator('.band-down').count()).toBe(1);
  });

  it('the slider is moved back and forth -> the past state, and the present one', async () => {
    const page = await open();
    await crowned(page, 'node-a');
    const slider = page.getByRole('slider', { name: 'Moment that is shown' });
    const down = await page
      .locator('.band-down')
      .first()
      .evaluate((band) => (band as unknown as { style: { insetInlineStart: string } }).style.insetInlineStart);
    const end = Number(await slider.getAttribute('max'));
    await slider.fill(String((end * Number.parseFloat(down)) / 100 + 5));
    await page.locator('.card-down', { hasText: 'node-a' }).waitFor();
    await slider.fill('0');
    await page.locator('.card .crown').first().waitFor({ state: 'detached' });
    await page.getByRole('button', { name: 'Live' }).click();
    await crowned(page, 'node-a');
    expect(await page.locator('.card-down').count()).toBe(0);
  });

  it('a document is put, and a node reconfigured, from the page -> the node has both', async () => {
    const page = await open();
    await card(page, 'node-b').click();
    await page.getByLabel('Document').fill('{"name": "Espresso"}');
    await page.getByRole('button', { name: 'Put' }).click();
    await page.getByText('It is on disk.').waitFor();
    expect(await cluster.call('node-b', 'get', { collection: 'things', key: 'k1' })).toMatchObject({
      document: { name: 'Espresso' },
    });
    await page.getByLabel('Fields').fill('{"eligible": false}');
    await page.getByRole('button', { name: 'Reconfigure' }).click();
    await card(page, 'node-b').getByText('observer').waitFor();
    await page.getByLabel('Fields').fill('{"port": -1}');
    await page.getByRole('button', { name: 'Reconfigure' }).click();
    await page.locator('.answer-failed', { hasText: 'port' }).waitFor();
  });

  it('an actor is selected -> its chart highlights the active state, its context is shown, and pictures can be downloaded', async () => {
    const page = await open();
    await show(page, 'Actors');
    await page.getByRole('combobox', { name: 'Node' }).selectOption('node-a');
    await page.getByRole('treeitem', { name: 'election' }).click();
    await page.locator('.state-active [class=state-key]', { hasText: 'leader' }).first().waitFor();
    await page.getByRole('tree').press('ArrowDown');
    expect(await page.locator('.tree-row-selected').count()).toBe(1);
    await page.locator('.tree-row').first().click();
    await page.locator('.chart').waitFor();
    for (const [name, beginning] of [
      ['SVG', '<svg'],
      ['PNG', '\u0089PNG'],
      ['Mermaid', 'stateDiagram-v2'],
    ] as const) {
      const download = page.waitForEvent('download');
      await page.getByRole('button', { name }).click();
      const path = await (await download).path();
      expect(readFileSync(path, 'latin1').startsWith(beginning)).toBe(true);
    }
  });

  it('an event is selected -> its cause, its effects, and its moment', async () => {
    const page = await open();
    await show(page, 'Events');
    await page.getByLabel('Type').fill('leadership.changed');
    const row = page.getByRole('option', { name: /leadership.changed uplink/ }).first();
    await row.click();
    const event = page.getByRole('complementary', { name: 'Event' });
    await event.getByText('because of').waitFor();
    await event.locator('dd .linkish', { hasText: 'leadership.changed' }).click();
    await event.getByText('Effects').waitFor();
    expect(await event.locator('li').count()).toBeGreaterThan(0);
    expect(await page.getByRole('button', { name: 'Live' }).getAttribute('aria-pressed')).toBe('false');
  });

  it('a second viewer -> sees the same', async () => {
    const [one, other] = [await open(), await open()];
    for (const page of [one, other]) {
      await untilCount(page.locator('.card'), 3);
      await crowned(page, 'node-a');
    }
  });

  it('the inspector is closed -> the page says so, and keeps its records', async () => {
    const page = await open();
    await crowned(page, 'node-a');
    await cluster.closeInspector();
    await page.locator('.condition-lost').waitFor();
    expect(await page.locator('.card').count()).toBe(3);
    // The errors that it reports then are expected.
    pages.forgetComplaints();
  });
});
