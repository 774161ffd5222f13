// What the schema cannot see: keys that contradict each other, files that are not there, what live mode refuses. A
// problem refuses the configuration, a warning is said and logged.

import type { X509Certificate } from 'node:crypto';
import { certificateWarnings, keyProblem, readChain } from './certificates.ts';
import type { Source } from './document.ts';
import { type ConfigDeps, whyUntrusted } from './files.ts';
import { type Cidr, isLoopback, overlap } from './names.ts';
import type { ConfigProblem, KeyPath } from './problem.ts';
import type { ParsedConfig } from './schema.ts';
import type { Secrets } from './secrets.ts';
import { durationText, sizeText } from './units.ts';

type Say = (path: KeyPath, message: string, at?: 'key' | 'value') => void;
type Report = { readonly problem: Say; readonly warn: Say };

function checkOrganizations(config: ParsedConfig, { problem, warn }: Report): void {
  const names = new Map<string, number>();
  const domains = new Map<string, string>();
  for (const [index, organization] of config.organizations.entries()) {
    const at = ['organizations', index] as const;
    const first = names.get(organization.name.toLowerCase());
    if (first !== undefined) problem([...at, 'name'], `organizations[${first}] has the same name`);
    names.set(organization.name.toLowerCase(), index);
    for (const [place, domain] of organization.domains.entries()) {
      const owner = domains.get(domain);
      if (owner !== undefined) problem([...at, 'domains', place], `${domain} already belongs to ${owner}`);
      domains.set(domain, organization.name);
    }
    const { admin } = organization;
    if (admin !== undefined && !organization.domains.includes(admin.slice(admin.lastIndexOf('@') + 1).toLowerCase())) {
      problem([...at, 'admin'], 'must be an address of one of its domains');
    }
    const help = organization.help.url;
    if (help !== undefined && !help.startsWith('https://')) {
      warn([...at, 'help', 'url'], 'is shown as text and leads nowhere: only https:// makes a link');
    }
    const { networks, shared } = organization.from;
    const large = (network: Cidr, path: KeyPath): void => {
      if (network.prefix >= (network.family === 4 ? 8 : 16)) return;
      problem(path, `${network.text} is a large part of the Internet and proves nothing`);
    };
    networks.forEach((one: Cidr, place) => void large(one, [...at, 'from', 'networks', place]));
    shared?.networks.forEach((one: Cidr, place) => void large(one, [...at, 'from', 'shared', 'networks', place]));
    if (networks.length === 0 && shared === undefined && !config.listen.submit) {
      warn(at, 'nobody can send for it: no networks, and no listen.submit', 'value');
    }
  }
}

/** What DKIM proves must be said of one organization, and a network that others share must prove nothing alone. */
function checkShared({ organizations }: ParsedConfig, { problem }: Report): void {
  const senders = new Map(
    organizations.flatMap(({ name, domains }) => domains.map((domain) => [domain, name] as const)),
  );
  const signers = new Map<string, string>();
  const everybodys = organizations.flatMap(({ name, from }) =>
    (from.shared?.networks ?? []).map((network: Cidr) => ({ name, network })),
  );
  for (const [index, { name, from }] of organizations.entries()) {
    const at = ['organizations', index, 'from'] as const;
    for (const [place, domain] of (from.shared?.dkim ?? []).entries()) {
      const owner = senders.get(domain) ?? signers.get(domain) ?? name;
      if (owner !== name) problem([...at, 'shared', 'dkim', place], `${domain} already belongs to ${owner}`);
      signers.set(domain, owner);
    }
    from.networks.forEach((own: Cidr, place) => {
      const other = everybodys.find(({ network }) => overlap(own, network));
      if (other === undefined) return;
      const words = `overlaps ${other.network.text}, which ${other.name} shares with others (from.shared)`;
      problem([...at, 'networks', place], `${words}: it proves nothing by itself`);
    });
  }
}

function checkListeners(config: ParsedConfig, { problem, warn }: Report): void {
  const seen = new Map<string, string>();
  for (const name of ['smtp', 'submit', 'web', 'portal'] as const) {
    const listener = config.listen[name];
    if (!listener) continue;
    const place = `${listener.address} port ${listener.port}`;
    const other = seen.get(place);
    if (other !== undefined) problem(['listen', name, 'port'], `listen.${other} has the same address and port`);
    seen.set(place, name);
    if (name === 'web' && !isLoopback(listener.address)) {
      problem(['listen', 'web', 'address'], 'is not loopback: health and metrics have no login; use 127.0.0.1 or ::1');
    } else if (config.mode === 'evaluation' && !isLoopback(listener.address)) {
      warn(['listen', name, 'address'], 'evaluation mode listens beyond this machine');
    }
    if ('max_size' in listener && listener.max_size > config.limits.data_bytes) {
      problem(['listen', name, 'max_size'], `is more than limits.data_bytes, ${sizeText(config.limits.data_bytes)}`);
    }
  }
  if (config.listen.smtp.tls === 'optional') {
    warn(['listen', 'smtp', 'tls'], 'clients may hand over messages without TLS');
  }
}

function checkQueue(config: ParsedConfig, { problem }: Report): void {
  const { lifetime, warn_sender_after: warning, undecided_for: undecided } = config.queue;
  if (warning >= lifetime)
    problem(['queue', 'warn_sender_after'], `must be less than lifetime, ${durationText(lifetime)}`);
  if (undecided > lifetime) problem(['queue', 'undecided_for'], `must be at most lifetime, ${durationText(lifetime)}`);
  const { limit, remind } = config.queue.held;
  remind.forEach((after, i) => {
    const at = ['queue', 'held', 'remind', i] as const;
    if (after >= limit && (remind[i - 1] ?? 0) < limit) {
      problem(at, `must be less than limit, ${durationText(limit)}; name earlier ones in remind, or none: []`);
    }
    if (after <= (remind[i - 1] ?? 0)) problem(at, 'must be more than the one before it');
  });
  const { connections, per_destination: each } = config.delivery;
  if (each > connections) problem(['delivery', 'per_destination'], `must be at most connections, ${connections}`);
}

function checkMode(config: ParsedConfig, { problem }: Report): void {
  config.overrides?.hosts.forEach((host, index) => {
    if ((host.name === undefined) === (host.address === undefined)) {
      problem(['overrides', 'hosts', index], 'must have either a name or an address');
    }
  });
  if (config.mode !== 'live') return;
  if (config.overrides) problem(['overrides'], 'live mode has no overrides; remove the key', 'key');
  if (!config.keys.master) {
    problem(['keys'], 'live mode wants keys.master; make one with: sealrelay keys master create --file FILE', 'key');
  }
  if (!config.certificates.files)
    problem(['certificates'], 'live mode wants certificates.files: {cert: PATH, key: PATH} (certs/README.md)', 'key');
}

function checkAnchors({ anchors, organizations, storage, mode }: ParsedConfig, { problem, warn }: Report): void {
  const domain = anchors.mail?.slice(anchors.mail.lastIndexOf('@') + 1).toLowerCase();
  if (domain !== undefined && !organizations.some(({ domains }) => domains.includes(domain))) {
    problem(['anchors', 'mail'], 'must be an address of one of the organizations');
  }
  if (anchors.file?.startsWith(`${storage.path}/`)) {
    warn(['anchors', 'file'], 'stands in the storage folder: who can change the audit there can change it too');
  }
  if (mode === 'live' && Object.keys(anchors).length === 0) {
    warn(
      ['anchors'],
      'nothing leaves this machine: who owns it could rewrite the whole audit; name file, https or mail',
    );
  }
}

function checkAlerts({ alerts, organizations, mode }: ParsedConfig, { problem, warn }: Report): void {
  alerts.to.forEach((address, i) => {
    const domain = address.slice(address.lastIndexOf('@') + 1).toLowerCase();
    if (organizations.some(({ domains }) => domains.includes(domain))) return;
    problem(['alerts', 'to', i], 'must be an address of one of the organizations');
  });
  if (mode === 'live' && alerts.to.length === 0) {
    warn(['alerts'], 'nobody is told by mail when the gateway needs a person; name addresses in alerts.to');
  }
}

/** Checks that need no file but this one. */
export function checkTogether(config: ParsedConfig, report: Report): void {
  checkOrganizations(config, report);
  checkShared(config, report);
  checkListeners(config, report);
  checkPortal(config, report);
  checkQueue(config, report);
  checkAnchors(config, report);
  checkAlerts(config, report);
  checkMode(config, report);
}

type Files = Pick<ConfigDeps, 'read' | 'stat' | 'user' | 'now'> & { readonly secrets: Secrets };

/** Checks of the files that the configuration names. */
export async function checkFiles(config: ParsedConfig, report: Report, deps: Files): Promise<void> {
  const live = config.mode === 'live';
  const present = async (path: KeyPath, file: string): Promise<boolean> => {
    const found = await deps.stat(file);
    if (!found?.isFile) report.problem(path, found ? `${file} is not a file` : `there is no file ${file}`);
    else if ((await deps.read(file)) === null) report.problem(path, `${file} cannot be read`);
    else return true;
    return false;
  };
  if ((await present(['protection', 'policy'], config.protection.policy)) && live) {
    const why = await whyUntrusted(config.protection.policy, deps);
    if (why) report.problem(['protection', 'policy'], `${config.protection.policy} ${why}`);
  }
  for (const name of ['files', 'portal'] as const) {
    const pair = config.certificates[name];
    if (pair === undefined) continue;
    const hasCert = await present(['certificates', name, 'cert'], pair.cert);
    if (!(await present(['certificates', name, 'key'], pair.key))) continue;
    if (hasCert) await checkPair(name, pair, config, report, deps);
    const wrong = await deps.secrets.check({ file: pair.key });
    if (wrong) (live ? report.problem : report.warn)(['certificates', name, 'key'], wrong);
  }
  for (const [index, file] of config.protection.smime.roots.entries()) {
    const path = ['protection', 'smime', 'roots', index];
    if (!(await present(path, file))) continue;
    const chain = readChain((await deps.read(file)) ?? Buffer.alloc(0));
    if (typeof chain === 'string') report.problem(path, `${file} ${chain}`);
  }
  for (const [index, file] of (config.overrides?.ca ?? []).entries()) await present(['overrides', 'ca', index], file);
  const master = config.keys.master;
  const wrong = master && ((await deps.secrets.check(master)) ?? (live ? await deps.secrets.checkLive(master) : null));
  if (wrong) report.problem(['keys', 'master'], wrong);
}

async function checkPair(
  name: 'files' | 'portal',
  pair: { readonly cert: string; readonly key: string },
  config: ParsedConfig,
  { problem, warn }: Report,
  { read, now }: Files,
): Promise<void> {
  const at = ['certificates', name] as const;
  const chain = readChain((await read(pair.cert)) ?? Buffer.alloc(0));
  if (typeof chain === 'string') return problem([...at, 'cert'], `${pair.cert} ${chain}`);
  const [leaf] = chain as [X509Certificate];
  const wrong = keyProblem((await read(pair.key)) ?? Buffer.alloc(0), leaf);
  if (wrong !== null) problem([...at, 'key'], `${pair.key} ${wrong}`);
  const smtp = name === 'files' ? [{ host: config.hostname, of: 'hostname' }] : [];
  const isOfPortal = config.listen.portal !== undefined && (name === 'portal' || !config.certificates.portal);
  const hosts = [...smtp, ...(isOfPortal ? portalUrls(config).map(({ url, of }) => ({ host: hostOf(url), of })) : [])];
  for (const one of certificateWarnings(leaf, hosts, now())) warn([...at, 'cert'], `${pair.cert} ${one}`);
  if (config.mode === 'live' && leaf.subject === leaf.issuer) {
    warn([...at, 'cert'], `${pair.cert} is signed by itself: browsers and mail servers refuse it`);
  }
}

/** Without the brackets of an IPv6 address. */
function hostOf(url: string): string {
  return new URL(url).hostname.replace(/^\[|\]$/g, '');
}

type PortalUrl = { readonly url: string; readonly path: KeyPath; readonly of: string };

/** Where links to the portal lead, each with the key that says so. */
function portalUrls({ organizations, portal, hostname }: ParsedConfig): PortalUrl[] {
  const common: PortalUrl =
    portal.url === undefined
      ? { url: `https://${hostname}`, path: ['listen', 'portal', 'port'], of: 'hostname' }
      : { url: portal.url, path: ['portal', 'url'], of: 'portal.url' };
  const own = organizations.flatMap(({ portal: its }, index): PortalUrl[] =>
    its === undefined
      ? []
      : [{ url: its.url, path: ['organizations', index, 'portal', 'url'], of: `organizations[${index}].portal.url` }],
  );
  return own.length === organizations.length ? own : [common, ...own];
}

function checkPortal(config: ParsedConfig, { warn }: Report): void {
  const { portal: listener } = config.listen;
  if (listener === undefined) {
    if (config.portal.url !== undefined) warn(['portal', 'url'], 'there is no listen.portal: nobody can follow a link');
    return;
  }
  for (const { url, path } of portalUrls(config)) {
    if (config.mode === 'live' && isLoopback(hostOf(url)))
      warn(path, `links lead to ${url}: recipients cannot follow them`);
    const port = Number(new URL(url).port || 443);
    if (port === listener.port) continue;
    const words = `links lead to port ${port} (${url}), and listen.portal is on ${listener.port}`;
    warn(path, `${words}; name the same port, unless something hands one on to the other`);
  }
}

/** In live mode, why the configuration file itself must not be trusted. */
export async function checkOwner(source: Source, file: string, live: boolean, deps: Files): Promise<ConfigProblem[]> {
  const why = live ? await whyUntrusted(file, deps) : null;
  return why ? [{ file: source.file, line: 1, column: 1, path: '', message: why }] : [];
}
