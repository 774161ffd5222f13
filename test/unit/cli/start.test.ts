import { startFault } from '../../../src/cli/start.ts';

const failing = (what: object) => startFault(Object.assign(new Error('as the system says it'), what), 'gw.yaml');

test.each([
  [{ code: 'ENOSPC' }, 'no space is left where storage.path is', 'what was accepted is kept'],
  [{ code: 'SQLITE_FULL' }, 'no space is left where storage.path is', 'free some'],
  [{ code: 'SQLITE_CANTOPEN' }, 'cannot be read or written (SQLITE_CANTOPEN)', 'own storage.path'],
  [
    { code: 'EADDRINUSE', syscall: 'listen', address: '127.0.0.1', port: 25 },
    'listen: cannot listen on 127.0.0.1:25: another program does',
    'change listen',
  ],
  [{ code: 'EACCES', syscall: 'listen', address: '0.0.0.0', port: 25 }, 'CAP_NET_BIND_SERVICE', 'change listen'],
  [{ code: 'SQLITE_NOTADB' }, 'the database in storage.path is damaged (SQLITE_NOTADB)', 'last backup'],
  [{ code: 'SQLITE_CORRUPT_INDEX' }, 'is damaged', 'copy that folder'],
  [{}, 'as the system says it', 'sealrelay config check --config gw.yaml'],
])('%j: %s', (error, message, next) => {
  const fault = failing(error);
  expect(fault.message).toContain(message);
  expect(fault.next).toContain(next);
});
