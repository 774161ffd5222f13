// A backup of the running gateway. Its folder is one of this machine, written by the gateway itself: progress comes in pages,
// and who leaves ends it.

import { isAbsolute } from 'node:path';
import { z } from 'zod';
import { GATEWAY } from '../domain/ids.ts';
import { BackupError, type MadeBackup } from '../store/backup/make.ts';
import { type Command, ControlError, command } from './command.ts';

export type BackupView = Omit<MadeBackup, 'head'> & {
  readonly audit: { readonly node: string; readonly epoch: number; readonly seq: number; readonly hash: string };
  /** Where the master key is that opens it, in words. */
  readonly masterKey: string;
};
export type BackupProgress = { readonly stage: 'rows' | 'files'; readonly done: number; readonly of: number };

const args = z.strictObject({ target: z.string().max(4000).refine(isAbsolute, 'an absolute path is wanted') });

export const backupCommands: readonly Command[] = [
  command('backup', 'write', args, async ({ deps, caller, page }, { target }): Promise<BackupView> => {
    const progress = (stage: BackupProgress['stage'], done: number, of: number) => page([{ stage, done, of }]);
    const { head, ...made } = await deps.backups.make(target, progress).catch((error) => {
      if (error instanceof BackupError) throw new ControlError('failed', error.message, error.next);
      throw error;
    });
    const { node, epoch, seq, hash } = head;
    const { files, octets, took } = made;
    await deps.audit.append([
      {
        organization: GATEWAY,
        actor: caller.actor,
        event: 'backup.made',
        detail: { files, octets, took, epoch, seq, hash },
        boxed: { target },
      },
    ]);
    return { ...made, audit: { node, epoch, seq, hash }, masterKey: deps.masterKey };
  }),
];
