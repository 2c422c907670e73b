/**
 * A real browser that may talk to this machine only. Errors of a page, and its requests to other machines, are
 * recorded.
 */
import { existsSync } from 'node:fs';
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';

const candidates = [process.env.CHROMIUM, '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

/** Without these flags it contacts other machines. */
const quiet = [
  ...['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking'],
  ...['--disable-component-update', '--disable-sync'],
];

export async function launchBrowser(): Promise<Browser> {
  const executablePath = candidates.find((path) => path !== undefined && existsSync(path));
  if (executablePath === undefined) {
    throw new Error('No browser: install Debian\'s "chromium", or name one in the variable CHROMIUM.');
  }
  return chromium.launch({ executablePath, headless: true, args: quiet });
}

export interface OpenPage {
  readonly page: Page;
  /** Errors of the page, and requests to other machines: there should be none. */
  readonly complaints: string[];
}

export async function openPage(browser: Browser, url: string, options: BrowserContextOptions = {}): Promise<OpenPage> {
  const context = await browser.newContext({
    viewport: { width: 1400, height: 860 },
    acceptDownloads: true,
    ...options,
  });
  const page = await context.newPage();
  const complaints: string[] = [];
  page.on('console', (message) => {
    if (message.type() === 'error') complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(error.message));
  await context.route('**/*', (route) => {
    const { hostname, protocol } = new URL(route.request().url());
    if (protocol === 'blob:' || hostname === '127.0.0.1') return route.continue();
    complaints.push(`asks for ${route.request().url()}`);
    return route.abort();
  });
  await page.goto(url);
  return { page, complaints };
}

/** Waits until the page shows all records that there were. */
export async function untilShown(page: Page): Promise<void> {
  await page.locator('.condition-live, .condition-complete').waitFor({ timeout: 60_000 });
}

export async function show(page: Page, view: 'Cluster' | 'Actors' | 'Events' | 'Tables'): Promise<void> {
  await page.getByRole('navigation', { name: 'Views' }).getByRole('button', { name: view }).click();
}
