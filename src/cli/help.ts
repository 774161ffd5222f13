// Every command's help ends with an example, and says what one does next.

import type { Command } from 'commander';

export function example(command: Command, lines: readonly string[], next?: string): Command {
  const title = lines.length === 1 ? 'Example' : 'Examples';
  const text = [`${title}:`, ...lines.map((line) => `  $ ${line}`)].join('\n');
  return command.addHelpText('after', `\n${text}${next === undefined ? '' : `\n\n${next}`}`);
}

/** The options of every command that talks to a running gateway. */
export function withDaemon(command: Command): Command {
  return command
    .option('--config <FILE>', 'configuration of the gateway (default: SEALRELAY_CONFIG, else config/gateway.yaml)')
    .option('--socket <FOLDER>', 'folder of its sockets, instead of looking it up there');
}

/** The option of what may take another operator. */
export function withBreakGlass(command: Command): Command {
  return command.option(
    '--break-glass',
    'where four_eyes: wants another operator, do it now; raises an alarm and is listed until reviewed (needs --reason)',
  );
}

/** The options of a read: data for scripts. */
export function withJson(command: Command): Command {
  return command.option('--json', 'one JSON object a line, names that stay');
}

export function collect(value: string, before: readonly string[] | undefined): string[] {
  return [...(before ?? []), value];
}
