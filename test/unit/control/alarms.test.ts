import { storeFailedWords } from '../../../src/control/alarms.ts';

test.each([
  ['the database failed (SQLITE_IOERR_FSYNC)', 'check the disk'],
  ['EIO when syncing', 'check the disk'],
  ['the store thread ended: disk I/O error', 'check the disk'],
  ['the database failed (SQLITE_CORRUPT_INDEX)', 'When the database is lost'],
  ['the database failed (SQLITE_NOTADB)', 'When the database is lost'],
  ['the store thread ended: database disk image is malformed', 'When the database is lost'],
])('%s: %s', (why, words) => {
  expect(storeFailedWords(why)).toContain(words);
  expect(storeFailedWords(why)).toContain('mail is no longer taken and the gateway ends');
});
