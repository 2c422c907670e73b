/** The browser of one file of tests, and the trace that several of them use. */
import { execFileSync } from 'node:child_process';
import { resolve } from 'node:path';
import { afterAll, afterEach, beforeAll, expect } from '@jest/globals';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { launchBrowser, type OpenPage, openPage, untilShown } from './browser.js';

export interface Pages {
  readonly browser: Browser;
  /** Opens a page, and waits until it shows all records that there were. */
  open(url: string, options?: BrowserContextOptions): Promise<Page>;
  /** For a test that expects errors of the page. */
  forgetComplaints(): void;
}

/**
 * Opens pages for the tests of the calling file, closes them after each test, and fails a test whose page reported
 * errors.
 */
export function browserPages(): Pages {
  let browser: Browser;
  let opened: OpenPage[] = [];
  beforeAll(async () => {
    browser = await launchBrowser();
  });
  afterAll(async () => {
    await browser?.close();
  });
  afterEach(async () => {
    const complaints = opened.flatMap((each) => each.complaints);
    await Promise.all(opened.map(({ page }) => page.context().close()));
    opened = [];
    expect(complaints).toEqual([]);
  });
  return {
    get browser() {
      return browser;
    },
    async open(url, options) {
      const page = await openPage(browser, url, options);
      opened.push(page);
      await untilShown(page.page);
      return page.page;
    },
    forgetComplaints() {
      for (const { complaints } of opened) complaints.length = 0;
    },
  };
}

/** Records 20 simulated seconds of four nodes in a file. */
export function recordTrace(file: string): void {
  const args = ['simulate', '--seed', '5', '--nodes', '4', '--seconds', '20', '--trace', file];
  execFileSync(process.execPath, [resolve('dist/cli/main.js'), ...args], { stdio: 'ignore' });
}
