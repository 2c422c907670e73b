/**
 * A recorded trace of a simulation, and a very long one: by keyboard, in both themes, and with unauthorized viewers
 * refused.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Page } from 'playwright-core';
import { type InspectorServer, readTrace, serveTrace } from 'statemesh/inspector';
import { WebSocket } from 'ws';
import { show } from './browser.js';
import { browserPages, recordTrace } from './pages.js';

const directory = mkdtempSync(join(tmpdir(), 'statemesh-e2e-'));
const trace = join(directory, 'seed-5.jsonl');
const longTrace = join(directory, 'long.jsonl');
const longMax = 100_000;

const pages = browserPages();
let server: InspectorServer;

beforeAll(async () => {
  recordTrace(trace);
  server = await serveTrace(await readTrace(trace), { port: 0, title: 'seed 5' });
});
afterAll(async () => {
  await server?.close();
  rmSync(directory, { recursive: true, force: true });
});

const open = (url = server.url.reveal(), options = {}): Promise<Page> => pages.open(url, options);

/**
 * Loaded into the page from this machine's own files, past its policy: the library belongs to the test, not to the
 * page.
 */
const axe = readFileSync(resolve('node_modules/axe-core/axe.min.js'), 'utf8');

async function barriers(page: Page): Promise<string[]> {
  await page.evaluate(axe);
  const found = await page.evaluate(async () => {
    // The library has installed itself there.
    const { run } = (globalThis as unknown as { axe: { run(): Promise<{ violations: Violation[] }> } }).axe;
    interface Violation {
      id: string;
      impact: string;
      nodes: { html: string; failureSummary: string }[];
    }
    return (await run()).violations.map(({ id, impact, nodes }) => ({
      id,
      impact,
      where: nodes[0]?.html,
      why: nodes[0]?.failureSummary,
    }));
  });
  return found
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .map((each) => JSON.stringify(each));
}

describe('a recorded trace', () => {
  it('opened -> the end is shown; played from the beginning with the space bar -> it moves on', async () => {
    const page = await open();
    expect(await page.locator('.condition').innerText()).toBe('recorded');
    await page.locator('.card').first().waitFor();
    await page.getByLabel('Speed').selectOption('50');
    await page.locator('body').press(' ');
    await page.getByRole('button', { name: 'Pause' }).waitFor();
    await page.getByRole('button', { name: 'Play' }).waitFor();
    const slider = page.getByRole('slider', { name: 'Moment that is shown' });
    expect(Number(await slider.inputValue())).toBeCloseTo(Number(await slider.getAttribute('max')), 0);
    const shown = await page.locator('.time-text').innerText();
    await page.locator('body').press(',');
    expect(await page.locator('.time-text').innerText()).not.toBe(shown);
  });

  it('a moment of a partition -> it is named, and shown as a band', async () => {
    const page = await open();
    const band = page.locator('.band-partition').first();
    const { left, max } = {
      left: await band.evaluate((each) =>
        Number.parseFloat((each as unknown as { style: { insetInlineStart: string } }).style.insetInlineStart),
      ),
      max: Number(await page.getByRole('slider').getAttribute('max')),
    };
    await page.getByRole('slider').fill(String((left * max) / 100 + 1));
    await page.getByText(/^Partitioned:/).waitFor();
  });

  for (const colorScheme of ['light', 'dark'] as const) {
    it(`every view, ${colorScheme} -> is accessible by screen reader, by keyboard and with low vision`, async () => {
      const page = await open(server.url.reveal(), { colorScheme });
      // At its end all nodes have stopped.
      await page.getByRole('slider').fill('12000');
      for (const view of ['Cluster', 'Actors', 'Events', 'Tables'] as const) {
        await show(page, view);
        await page.locator('main > section').waitFor();
        if (view === 'Actors') await page.locator('.chart').waitFor();
        if (view === 'Events') await page.locator('.sequence-row').first().waitFor();
        expect([view, await barriers(page)]).toEqual([view, []]);
      }
    });
  }

  it.each([480, 900, 1_600])('a window of %i pixels -> nothing is wider than it', async (width) => {
    const page = await open(server.url.reveal(), { viewport: { width, height: 900 } });
    for (const view of ['Cluster', 'Actors', 'Events', 'Tables'] as const) {
      await show(page, view);
      const widest = await page.evaluate('document.documentElement.scrollWidth');
      expect([view, widest]).toEqual([view, width]);
    }
  });

  it('100,000 events -> they scroll, and the page still responds', async () => {
    const lines = readFileSync(trace, 'utf8')
      .split('\n')
      .filter((line) => line.includes('"type":"@xstate.event"'));
    const beginning = readFileSync(trace, 'utf8')
      .split('\n')
      .filter((line) => /"type":"(@xstate.actor|statemesh\.)/.test(line));
    const events = Array.from({ length: longMax }, (_, index) => lines[index % lines.length]);
    writeFileSync(longTrace, [...beginning, ...events].join('\n'));
    const long = await serveTrace(await readTrace(longTrace), { port: 0, title: 'long' });
    try {
      const page = await open(long.url.reveal());
      await show(page, 'Events');
      await page.getByLabel("heartbeats and XState's own").check();
      await page.getByText(/^1\d\d,\d\d\d of /).waitFor();
      const frames = (await page.evaluate(`new Promise((done) => {
        const list = document.querySelector('.sequence');
        const frames = [];
        let before = performance.now();
        const step = (now) => {
          frames.push(now - before);
          before = now;
          list.scrollTop = (list.scrollHeight * frames.length) / 120;
          if (frames.length < 120) requestAnimationFrame(step);
          else done(frames.slice(1).sort((one, other) => one - other));
        };
        requestAnimationFrame(step);
      })`)) as number[];
      const at = (share: number): string => (frames[Math.floor(frames.length * share)] as number).toFixed(1);
      process.stdout.write(
        `frames while 100,000 events scroll by, ms: median ${at(0.5)}, p95 ${at(0.95)}, worst ${at(0.999)}\n`,
      );
      // Not a judgment on speed: a page that hangs never gets here, or with frames of seconds.
      expect(frames.length).toBe(119);
      expect(frames.at(-1)).toBeLessThan(2_000);
      await page.locator('.sequence-row').last().click();
      await page.getByRole('complementary', { name: 'Event' }).waitFor();
    } finally {
      await long.close();
    }
  });

  it("Stately's page, where it is allowed -> receives nothing before the button, then actors before their events", async () => {
    const relaying = await serveTrace(await readTrace(trace), { port: 0, title: 'relayed', stately: true });
    try {
      const page = await open(relaying.url.reveal());
      // Replaces the real page, which is not on this machine: it reports that it is there, and records what it
      // receives.
      const standIn = `<script>
        window.heard = [];
        addEventListener('message', ({ data }) => window.heard.push(data));
        opener.postMessage({ type: '@statelyai.connected' }, '*');
      </script>`;
      let visits = 0;
      await page.context().route('https://stately.ai/inspect', (route) => {
        visits += 1;
        return route.fulfill({ contentType: 'text/html', body: standIn });
      });
      expect(visits).toBe(0);
      const popup = page.context().waitForEvent('page');
      await page.getByRole('button', { name: 'Stately' }).click();
      const stately = await popup;
      await stately.waitForFunction('window.heard.length > 500');
      const heard = (await stately.evaluate('window.heard')) as {
        type: string;
        sessionId: string;
        definition?: string;
      }[];
      const known = new Set<string>();
      for (const event of heard) {
        if (event.type === '@xstate.actor') known.add(event.sessionId);
        else if (event.type === '@xstate.snapshot') expect(known.has(event.sessionId)).toBe(true);
      }
      expect(visits).toBe(1);
    } finally {
      await relaying.close();
    }
  });

  it('the address with its token -> is not in the address bar or the history; after a reload, the page still works', async () => {
    const page = await open();
    expect(page.url()).not.toContain('token');
    await page.reload();
    await page.getByText('recorded').first().waitFor();
    await page.goto('about:blank');
    await page.goBack();
    expect(page.url()).not.toContain('token');
    await page.context().close();
  });

  it('a wrong token -> the page is refused, with what to do', async () => {
    const wrong = server.url.reveal().replace(/token=.*/, 'token=wrong');
    const page = await (await pages.browser.newContext()).newPage();
    await page.goto(wrong);
    await page.getByText(/open the whole address/).waitFor();
    await page.context().close();
  });

  it("another page's script -> gets nothing, even with the token", async () => {
    const page = await (await pages.browser.newContext()).newPage();
    const { host, hash } = new URL(server.url.reveal());
    await page.goto('data:text/html,<title>elsewhere</title>');
    const heard = await page.evaluate(`new Promise((done) => {
      const socket = new WebSocket('ws://${host}/records?${hash.slice(1)}');
      socket.onmessage = () => done('told');
      socket.onclose = () => done('refused');
    })`);
    expect(heard).toBe('refused');
    await page.context().close();
  });

  it('a foreign name that points here -> is refused', async () => {
    const { port } = server;
    const socket = new WebSocket(`ws://127.0.0.1:${port}/records?${new URL(server.url.reveal()).hash.slice(1)}`, {
      headers: { host: `evil.example:${port}`, origin: `http://evil.example:${port}` },
    });
    socket.on('error', () => {});
    const status = await new Promise<number | undefined>((done) => {
      socket.once('unexpected-response', (_, response) => done(response.statusCode));
      socket.once('open', () => done(undefined));
    });
    socket.terminate();
    expect(status).toBe(421);
  });
});
