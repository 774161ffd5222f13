// Debian's Chromium, without a home, a network of its own making, or a sandbox (tests run as root in CI).

import { type Browser, chromium } from 'playwright-core';
import { find } from './programs.ts';

/** Throws when it is not installed: mark the test by `testWith(['chromium'])`. */
export function startChromium(): Promise<Browser> {
  const executablePath = find('chromium');
  if (executablePath === null) throw new Error('no chromium');
  return chromium.launch({
    executablePath,
    args: [
      '--headless',
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  });
}
