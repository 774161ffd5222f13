// Tells systemd how the service is (sd_notify). Node cannot send to a unix datagram socket, so systemd-notify does it;
// the unit says NotifyAccess=all for that. Without NOTIFY_SOCKET nothing happens. Never fails: the gateway runs all the
// same when nobody listens.

import { execFile } from 'node:child_process';

export type Notice =
  | { readonly ready: true; readonly status: string }
  | { readonly reloading: true }
  | { readonly stopping: true }
  | { readonly status: string };

/** Resolves when systemd was told, or could not be. `status` is a line for `systemctl status`; no addresses. */
export function notify(notice: Notice): Promise<void> {
  const socket = process.env.NOTIFY_SOCKET;
  if (socket === undefined || socket === '') return Promise.resolve();
  return new Promise((resolve) => {
    const env = { NOTIFY_SOCKET: socket, PATH: '/usr/bin:/bin' };
    execFile('systemd-notify', notifyArguments(notice, process.pid), { env, timeout: 5000 }, () => resolve());
  });
}

/** Arguments of systemd-notify(1); the main process is named, since a child of it speaks. */
export function notifyArguments(notice: Notice, pid: number): string[] {
  if ('stopping' in notice) return ['STOPPING=1'];
  // Type=notify, not notify-reload: ExecReload sends the signal and the service only says that it is busy.
  if ('reloading' in notice) return ['STATUS=reading the configuration again'];
  const status = `STATUS=${notice.status.replace(/[\r\n]/g, ' ')}`;
  return 'ready' in notice ? ['READY=1', `MAINPID=${pid}`, status] : [status];
}
