// `sealrelay log verify` and `log key`: what the audit proves of itself, by keys and anchors that were kept elsewhere.

import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import {
  checkpointText,
  type FirstKeyView,
  firstKeyView,
  isSigned,
  keyText,
  readCheckpoint,
  readKeys,
  type SignedCheckpoint,
} from '../../record/checkpoint.ts';
import type { AnchorCheck, Anchored, Verification } from '../../store/audit/port.ts';
import { ask, type DaemonOptions, isNotRunning } from '../client.ts';
import { CliError, EXIT } from '../errors.ts';
import { example, withDaemon, withJson } from '../help.ts';
import { mark, plain, print, printJson, say } from '../output.ts';

type Options = DaemonOptions & { readonly json?: boolean; readonly offline?: boolean };
type VerifyOptions = Options & { readonly anchors?: string; readonly key?: string };

/** Whom verification asks: the running gateway, or a folder. */
type Source = {
  verify(keys: readonly Buffer[] | null): Promise<Verification>;
  checkAnchors(lines: readonly string[], fitted: readonly Anchored[]): Promise<AnchorCheck>;
  firstKeys(): Promise<readonly FirstKeyView[]>;
};

export function registerVerify(log: Command): void {
  const command = log
    .command('verify')
    .description(
      'Checks the hash chain and the signatures of the whole audit trail; names the first entry that does not fit.',
    )
    .option(
      '--anchors <FILE>',
      'checkpoints that were sent off this machine, as `anchors` of the configuration made them',
    )
    .option('--key <FILE>', 'the first public key, kept elsewhere, as `sealrelay log key` printed it')
    .option('--offline', 'on the data folder itself, without the running gateway')
    .action(async (options: VerifyOptions) => {
      const anchors = options.anchors === undefined ? null : readAnchors(options.anchors);
      const keys = options.key === undefined ? null : readKeyFile(options.key);
      const proof = await from(options, (source) => prove(source, anchors, keys));
      if (options.json) await printJson(proof);
      else await show(proof, options);
      if (!proof.intact || proof.lost.count > 0) process.exitCode = EXIT.failed;
    });
  example(
    withJson(withDaemon(command)),
    ['sealrelay log verify', 'sealrelay log verify --offline --anchors anchors.jsonl --key audit.pub'],
    'When the gateway does not run, the data folder is read. Exit code 1: an entry does not fit, or a delivery is lost.',
  );
}

export function registerKey(log: Command): void {
  const command = log
    .command('key')
    .description('Prints the first public key of the audit, which leads to all later ones: keep it off this machine.')
    .option('--offline', 'from the data folder itself, without the running gateway')
    .action(async (options: Options) => {
      const keys = await from(options, (source) => source.firstKeys());
      if (keys.length === 0) throw new CliError('the audit is not signed yet', 'start the gateway, then ask again');
      if (options.json) return printJson(keys);
      for (const { node, since, fingerprint, key } of keys) {
        await print(`# audit of ${plain(node)} since ${since}, fingerprint ${fingerprint}\n${key}`);
      }
      say('next: keep it where this machine cannot write, then sealrelay log verify --key FILE');
    });
  example(
    withJson(withDaemon(command)),
    ['sealrelay log key > audit.pub', 'sealrelay log key --offline'],
    'More than one: the key that signs was lost in between, and another began.',
  );
}

async function from<T>(options: Options, work: (source: Source) => Promise<T>): Promise<T> {
  if (options.offline) return offline(options, work);
  try {
    return await work(daemon(options));
  } catch (error) {
    if (!isNotRunning(error)) throw error;
    say('the gateway does not run: reading its data folder');
    return offline(options, work);
  }
}

function progress(checked: number, total: number): void {
  if (process.stderr.isTTY) process.stderr.write(`\r${checked} of ${total}\u001b[K\r`);
}

async function offline<T>(options: Options, work: (source: Source) => Promise<T>): Promise<T> {
  const { readFolder } = await import('./offline.ts');
  return readFolder(options, (audit) =>
    work({
      verify: (keys) => audit.verify(progress, keys),
      checkAnchors: audit.checkAnchors,
      firstKeys: async () => (await audit.firstKeys()).map(firstKeyView),
    }),
  );
}

type HexAnchored = Omit<Anchored, 'hash'> & { readonly hash: string };

function daemon(options: Options): Source {
  return {
    verify: (keys) =>
      ask<Verification>(
        options,
        'read',
        'log.verify',
        keys === null ? {} : { keys: keys.map(keyText) },
        async (page) => {
          for (const one of page as { checked: number; total: number }[]) progress(one.checked, one.total);
        },
      ),
    async checkAnchors(anchors, before) {
      const hex = before.map((one) => ({ ...one, hash: Buffer.from(one.hash).toString('hex') }));
      const { fitted, bad } = await ask<{ fitted: HexAnchored[]; bad: AnchorCheck['bad'] }>(
        ...([options, 'read', 'log.anchors', { anchors, fitted: hex }] as const),
      );
      return { fitted: fitted.map((one) => ({ ...one, hash: Buffer.from(one.hash, 'hex') })), bad };
    },
    firstKeys: () => ask<FirstKeyView[]>(options, 'read', 'log.key', {}),
  };
}

function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    throw new CliError(`cannot read ${file}`, 'name a file that is there');
  }
}

function readKeyFile(file: string): Buffer[] {
  const keys = readKeys(textOf(file));
  if (keys === null) throw new CliError(`${file} holds no public key of an audit`, 'sealrelay log key prints it');
  return keys;
}

/** In order of their numbers. Around them may stand what a mail says; a line that begins as one must be one. */
function readAnchors(file: string): SignedCheckpoint[] {
  const anchors: SignedCheckpoint[] = [];
  for (const [index, line] of textOf(file).split('\n').entries()) {
    if (!line.trim().startsWith('{"no"')) continue;
    const one = readCheckpoint(line);
    if (one === null || !isSigned(one)) {
      throw new CliError(
        `${file}:${index + 1}: not an anchor as it was sent`,
        'take the file from where it was kept; a line that was cut short by a full disk may be removed',
      );
    }
    anchors.push(one);
  }
  if (anchors.length === 0)
    throw new CliError(
      `${file} holds no anchor`,
      'name the file that anchors: of the configuration filled (config/README.md, "Anchors")',
    );
  return anchors.sort((a, b) => a.no - b.no);
}

export type Proof = Verification & {
  /** The last anchor that fits; null: none was given, or none fits. */
  readonly anchored: { readonly no: number; readonly seq: number; readonly at: number } | null;
  /** Entries behind it. */
  readonly later: number;
};

/** The first bad entry is the least of what chain, signatures and anchors say. */
export async function prove(
  source: Pick<Source, 'verify' | 'checkAnchors'>,
  anchors: readonly SignedCheckpoint[] | null,
  keys: readonly Buffer[] | null,
): Promise<Proof> {
  const result = await source.verify(keys);
  const { fitted, bad: unanchored } = await checkAll(source, anchors ?? []);
  const [last] = [...fitted].sort((a, b) => b.position - a.position);
  const bad = earlier(result.bad, unanchored ?? undefined);
  return {
    ...result,
    intact: !bad,
    ...(bad && { bad }),
    anchored: last ? { no: last.no, seq: last.seq, at: last.at } : null,
    later: Math.max(0, result.entries + (result.pruned?.entries ?? 0) - (last?.position ?? 0)),
  };
}

/** Octets of anchors in one request: it fits into a frame of the read socket. */
const REQUEST = 128 * 1024;

async function checkAll(
  source: Pick<Source, 'checkAnchors'>,
  anchors: readonly SignedCheckpoint[],
): Promise<AnchorCheck> {
  const lines = anchors.map((one) => checkpointText(one));
  let check: AnchorCheck = { fitted: [], bad: null };
  while (lines.length > 0 && check.bad === null) {
    const some: string[] = [];
    for (let octets = 0; octets < REQUEST && lines.length > 0; octets += some.at(-1)!.length) some.push(lines.shift()!);
    check = await source.checkAnchors(some, check.fitted);
  }
  return check;
}

type Bad = NonNullable<Verification['bad']>;

function earlier(a: Bad | undefined, b: Bad | undefined): Bad | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return b.epoch < a.epoch || (b.epoch === a.epoch && b.seq < a.seq) ? b : a;
}

/** What is printed of it. */
export function proofLines(proof: Proof, hasKey: boolean): string[] {
  const { head, bad, signed, anchored, lost, entries, later } = proof;
  const lines: string[] = [];
  if (bad === undefined) {
    lines.push(`${mark('ok')} ${entries} entries, hash chain intact`);
    if (head !== null) lines.push(`  head: ${plain(head.node)} epoch ${head.epoch} entry ${head.seq} ${head.hash}`);
    lines.push(...goneLines(proof));
    const whose = hasKey ? 'by keys that the first one leads to' : 'by keys of the audit itself';
    lines.push(signed === null ? '  not signed' : `  signed to seq ${signed.seq} at ${timeOf(signed.at)} ${whose}`);
  } else {
    lines.push(`${mark('problem')} entry ${bad.seq} of ${plain(bad.node)}, epoch ${bad.epoch}: ${plain(bad.what)}`);
    lines.push('  entries before it fit; those from it on prove nothing');
  }
  if (anchored !== null) {
    const to = `anchored to seq ${anchored.seq} at ${timeOf(anchored.at)}`;
    lines.push(bad === undefined ? `${to}; ${later} later entries consistent, not proven` : `  ${to}`);
  } else if (bad === undefined) lines.push(`not anchored; ${later} entries consistent, not proven`);
  if (lost.count > 0) {
    lines.push(
      `${mark('problem')} ${lost.count} accepted deliveries have neither an end nor a row, first ${lost.first}`,
    );
  } else if (bad === undefined) lines.push('every accepted delivery has an end or a row');
  return lines;
}

/** What is not there any more cannot be proven. */
function goneLines({ pruned, erased }: Proof): string[] {
  const lines: string[] = [];
  if (pruned) {
    const when = `${timeOf(pruned.since)} to ${timeOf(pruned.until)}`;
    lines.push(
      `  ${pruned.entries} entries from ${when} were pruned: an entry names them, what they said is not proven`,
    );
  }
  if (erased)
    lines.push(`  ${erased} entries lost their boxed detail by erasure: entries name them, the rest of them fits`);
  return lines;
}

async function show(proof: Proof, { key }: VerifyOptions): Promise<void> {
  const { bad, anchored, lost } = proof;
  for (const line of proofLines(proof, key !== undefined)) await print(line);
  if (bad !== undefined || lost.count > 0) say('next: keep the data folder as it is, compare with a backup');
  else if (key === undefined)
    say('next: to prove more, keep the output of sealrelay log key on another machine, then verify with --key FILE');
  else if (anchored === null)
    say('next: to prove more, name anchors: in the configuration, then verify with --anchors FILE (config/README.md)');
}

function timeOf(at: number): string {
  return new Date(at).toISOString().replace(/\.\d+Z$/, 'Z');
}
