// What every store must do behind the ports queue, audit, accounts, keyring and book, whatever it is made of and however its
// answers come.

import { accountsContract } from './store-accounts.ts';
import { auditContract } from './store-audit.ts';
import { Bench, type StoreUnderTest } from './store-bench.ts';
import { bookContract } from './store-book.ts';
import { leasesContract } from './store-leases.ts';
import { noticesContract } from './store-notices.ts';
import { operatorsContract } from './store-operators.ts';
import { parcelsContract } from './store-parcels.ts';
import { queueContract } from './store-queue.ts';
import { tellingContract } from './store-telling.ts';

/** The whole contract; `bench` gives the store that is open in the test that runs. */
export function storeContract(setUp: () => Promise<StoreUnderTest>): void {
  let current: Bench;
  beforeEach(async () => {
    const test = await setUp();
    current = new Bench(test, await test.open());
  });
  afterEach(async () => {
    const { entries, intact } = await current.audit.verify();
    await current.opened.close();
    current.test.remove();
    expect({ intact, some: entries > 0 }).toEqual({ intact: true, some: true });
  });
  const bench = () => current;
  describe('queue', () => queueContract(bench));
  describe('leases and lanes', () => leasesContract(bench));
  describe('telling and finishing', () => tellingContract(bench));
  describe('operators', () => operatorsContract(bench));
  describe('parcels', () => parcelsContract(bench));
  describe('notices', () => noticesContract(bench));
  describe('audit', () => auditContract(bench));
  describe('accounts and keyring', () => accountsContract(bench));
  describe('the book of keys', () => bookContract(bench));
}
