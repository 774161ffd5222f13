// Every key of config/gateway.yaml, once: from here come the type `Config`, the checks and their messages, the JSON Schema
// for editors (`config schema`) and the key reference in config/README.md. A `describe` text is the manual's sentence for
// its key; a `prefault` is its default, written as a person would write it. A key whose capability is not built yet is
// absent, not ignored.

import { z } from 'zod';
import * as v from './values.ts';

const organizationSchema = () =>
  z.strictObject({
    name: v.organizationName().describe('Name of the organization, in commands, log and audit.'),
    domains: z
      .array(v.domain())
      .min(1)
      .describe('Domains of its staff. Header From and a reverse-path of its mail must lie in them.'),
    from: z
      .strictObject({
        networks: z
          .array(v.cidr())
          .prefault([])
          .describe('Networks whose connections prove the organization: printers, EHR, on-premises servers.'),
        shared: z
          .strictObject({
            networks: z.array(v.cidr()).min(1).describe('Networks of a provider, which its other customers use too.'),
            dkim: z
              .array(v.domain())
              .min(1)
              .describe('d= of the signatures that it makes for this organization alone.'),
          })
          .exactOptional()
          .describe('Networks that others share, such as those of Microsoft 365: they prove nothing without DKIM.'),
      })
      .prefault({})
      .describe('What proves that mail comes from this organization.'),
    time_zone: v.timeZone().prefault('UTC').describe('Time zone of its notices and reports.'),
    admin: v.address().exactOptional().describe('Address that gets staff notes about held mail, besides the sender.'),
    silence: v
      .duration()
      .exactOptional()
      .describe('Alert when it sent no mail for so long, such as 4 days, which bridges weekends. Absent: never.'),
    return: z
      .strictObject({
        smart_host: v.hostPort().describe('Host and port that takes mail for its staff: mail.clinic.example:25.'),
      })
      .exactOptional()
      .describe('Way back for our own mail to its staff (notices, DSNs); without it the MX of the domain.'),
    floor: v.protection().exactOptional().describe('Least protection of all its mail, such as {tls: verify}.'),
    languages: z
      .array(z.enum(['en', 'es']))
      .min(1)
      .prefault(['en', 'es'])
      .describe('Languages of its notices, in order; portal pages follow the reader’s browser among these.'),
    help: z
      .strictObject({
        phone: v.text('a phone number').exactOptional().describe('Phone number that recipients may call.'),
        url: v.text('an https URL').exactOptional().describe('Page that helps recipients.'),
      })
      .prefault({})
      .describe('Whom recipients may ask whether a notice is real; stands in notices and on portal pages.'),
    portal: z
      .strictObject({ url: v.origin().describe('Where its links lead, such as https://secure.clinic.example.') })
      .exactOptional()
      .describe('A portal host of its own. Absent: `portal.url`.'),
  });

const listenSchema = () =>
  z.strictObject({
    smtp: z
      .strictObject({
        address: v.ip().prefault('127.0.0.1').describe('IP address to listen on; "::" or 0.0.0.0 for all.'),
        port: v.port().prefault(25).describe('Port.'),
        tls: z
          .enum(['required', 'optional'])
          .prefault('required')
          .describe('Whether a client must use STARTTLS before it may send.'),
        max_size: v.size().prefault('150MB').describe('Largest message accepted.'),
      })
      .describe('Listener for the mail platform and for hosts of the organizations.'),
    submit: z
      .strictObject({
        address: v.ip().prefault('127.0.0.1').describe('IP address to listen on; "::" or 0.0.0.0 for all.'),
        port: v.port().prefault(587).describe('Port. STARTTLS is always required here.'),
        auth: z.enum(['required']).prefault('required').describe('Submission takes mail only after SMTP AUTH.'),
        max_size: v.size().prefault('150MB').describe('Largest message accepted.'),
      })
      .exactOptional()
      .describe(
        'Listener for applications and devices with a login of `sealrelay submission add`. Absent: not listening.',
      ),
    web: z
      .strictObject({
        address: v.ip().prefault('127.0.0.1').describe('IP address to listen on.'),
        port: v.port().prefault(8025).describe('Port.'),
      })
      .exactOptional()
      .describe('Health and metrics over HTTP. Absent: not listening.'),
    portal: z
      .strictObject({
        address: v.ip().prefault('127.0.0.1').describe('IP address to listen on; "::" or 0.0.0.0 for all.'),
        port: v.port().prefault(443).describe('Port; HTTPS only.'),
      })
      .exactOptional()
      .describe('Listener of the portal’s pages. Absent: no portal, and `portal` in a rule is passed over.'),
  });

const certificatesSchema = (files: ReturnType<typeof v.fileValues>) =>
  z
    .strictObject({
      provider: z.enum(['files']).prefault('files').describe('Where certificates come from.'),
      files: z
        .strictObject({
          cert: files.path().describe('PEM file with the certificate and its chain.'),
          key: files.path().describe('PEM file with the private key, mode 0600.'),
        })
        .exactOptional()
        .describe('Certificate and key of the listeners. Absent in evaluation mode: a self-made certificate.'),
      portal: z
        .strictObject({
          cert: files.path().describe('PEM file with the certificate and its chain.'),
          key: files.path().describe('PEM file with the private key, mode 0600.'),
        })
        .exactOptional()
        .describe('Those of the portal’s listener. Absent: `files`, which then names the portal’s host too.'),
    })
    .prefault({})
    .describe('Certificate that the listeners show.');

const protectionSchema = (files: ReturnType<typeof v.fileValues>) =>
  z
    .strictObject({
      policy: files.path().prefault('policies/default.yaml').describe('The policy file (policies/README.md).'),
      tls: z
        .strictObject({
          minimum: z
            .enum(['1.2', '1.3'])
            .prefault('1.2')
            .describe('Least TLS version, of listeners and of deliveries.'),
        })
        .prefault({})
        .describe('TLS, in both directions.'),
      clocks: z
        .strictObject({
          lacking: v
            .duration(1000, '1 second')
            .prefault('15 minutes')
            .describe(
              'How long a next hop may lack what a protection demands before the next one in the list is tried.',
            ),
          attempts: v.whole(1, 100).prefault(3).describe('How many attempts it gets at least in that time.'),
        })
        .prefault({})
        .describe('When a protection that is not possible gives way to the next one that the decision allows.'),
      subject: z
        .enum(['obscure', 'keep'])
        .prefault('obscure')
        .describe('Whether the subject of PGP and S/MIME mail stands in clear outside, or only inside.'),
      smime: z
        .strictObject({
          roots: z
            .array(files.path())
            .prefault([])
            .describe('PEM files of authorities whose certificates are encrypted to; others must be pinned.'),
        })
        .prefault({})
        .describe('S/MIME.'),
    })
    .prefault({})
    .describe('How mail is protected.');

const floorsSchema = () =>
  z
    .strictObject({
      domains: z
        .record(v.domainPattern(), v.protection())
        .prefault({})
        .describe('Least protection to a recipient domain: example.org, or *.example.org for all below it.'),
    })
    .prefault({})
    .describe('Floors: what every protection of a delivery must at least be, whatever a rule says.');

const tagsSchema = () =>
  z
    .record(
      z.string().regex(/^[a-z0-9][a-z0-9 _-]{0,31}$/),
      z.strictObject({
        floor: v.protection().exactOptional().describe('Least protection of a message that carries the tag.'),
      }),
    )
    .prefault({ secure: { floor: { tls: 'encrypt' } }, encrypt: { floor: { tls: 'encrypt' } } })
    .describe(
      'Subject tags, in lower case without brackets: [secure] is `secure`. Stripped from what leaves; facts for rules.',
    );

const deliverySchema = () =>
  z
    .strictObject({
      smart_host: z
        .strictObject({
          host: v.host().describe('Host name or address.'),
          port: v.port().prefault(25).describe('Port.'),
          level: v
            .level()
            .exactOptional()
            .describe('Least TLS level that it must show, besides what a decision demands.'),
        })
        .exactOptional()
        .describe('One next hop for all mail. Absent: the MX of the recipient domain.'),
      connections: v
        .whole(1, 1000)
        .prefault(100)
        .describe(
          'Connections at the same time, to all destinations; one that is only kept open for the next message (five seconds) gives way to others. As many more may be open that only wait for the answer to mail that was sent whole, from hosts that are silent for 15 seconds.',
        ),
      per_destination: v.whole(1, 100).prefault(20).describe('Connections at the same time to one destination.'),
      pace: z
        .record(v.destination(), v.rate())
        .prefault({})
        .describe(
          'Messages to a destination at most, such as {partner.example: 5/s}; a recipient domain, or host:port of a smart host.',
        ),
      recipients: v.whole(1, 1000).prefault(100).describe('Recipients in one transaction.'),
      connect_timeout: v
        .duration(1000, '1 second')
        .prefault('30s')
        .describe('How long a connection may take to be made.'),
    })
    .prefault({})
    .describe('How mail is handed on.');

const portalSchema = () =>
  z
    .strictObject({
      url: v
        .origin()
        .exactOptional()
        .describe('Where links lead, such as https://secure.clinic.example. Absent: https:// and `hostname`.'),
      expires: v
        .duration(3_600_000, '1 hour')
        .prefault('30 days')
        .describe('How long a message waits in the portal for its recipient.'),
      keep: v
        .duration()
        .prefault('30 days')
        .describe('How long an expired message can still be extended; then its keys are deleted.'),
    })
    .prefault({})
    .describe('The portal, in which recipients pick up what could not be sent to them in a way that is good enough.');

const overridesSchema = (files: ReturnType<typeof v.fileValues>) =>
  z
    .strictObject({
      hosts: z
        .array(
          z.strictObject({
            name: v.host().exactOptional().describe('Host name of a next hop (of an MX record or smart host).'),
            address: v.cidr().exactOptional().describe('IP address or network.'),
            port: v.port().exactOptional().describe('Port used for it instead of 25.'),
          }),
        )
        .prefault([])
        .describe('Hosts, each by name or address, that evaluation mode connects to besides loopback.'),
      smtp_port: v.port().exactOptional().describe('Port of MX hosts instead of 25.'),
      ca: z
        .array(files.path())
        .prefault([])
        .describe('PEM files of certificate authorities trusted besides the system’s.'),
    })
    .exactOptional()
    .describe('For evaluation and tests only; refused in live mode.');

const queueSchema = () =>
  z
    .strictObject({
      lifetime: v
        .duration(1000, '1 second')
        .prefault('5 days')
        .describe('How long a delivery is tried before it bounces.'),
      warn_sender_after: v
        .duration()
        .prefault('4 hours')
        .describe('When the sender is told that a delivery is delayed.'),
      undecided_for: v
        .duration()
        .prefault('1 hour')
        .describe('How long a message waits for a fact that cannot be fetched; then it is held.'),
      max_hops: v
        .whole(5, 100)
        .prefault(25)
        .describe('Received fields above which a message is refused as a mail loop.'),
      held: z
        .strictObject({
          limit: v
            .duration()
            .prefault('14 days')
            .describe('How long a message is held for a decision; then its sender gets it back as undelivered.'),
          remind: z
            .array(v.duration())
            .prefault(['3 days', '7 days', '13 days'])
            .describe('When its sender and the admin are reminded of it, counted from when it was held.'),
        })
        .prefault({})
        .describe('What is held never ends silently.'),
    })
    .prefault({})
    .describe('The queue.');

const limitsSchema = () =>
  z
    .strictObject({
      sessions: v.whole(1, 10_000).prefault(200).describe('Sessions at the same time of each listener; more get 421.'),
      connections_per_address: v
        .whole(1, 10_000)
        .prefault(50)
        .describe('Sessions at the same time from one IP address.'),
      connections_per_minute: v.whole(1, 100_000).prefault(600).describe('New sessions a minute from one IP address.'),
      command_time: v
        .duration(1000, '1 second')
        .prefault('5 minutes')
        .describe('How long a client may take for a command.'),
      data_time: v
        .duration(1000, '1 second')
        .prefault('30 minutes')
        .describe('How long the mail data of a message may take.'),
      data_bytes: v.size().prefault('1GB').describe('Octets in DATA at the same time; above it MAIL gets 452.'),
      recipients: v.whole(1, 10_000).prefault(1000).describe('Recipients of one message; more get 452.'),
      store_batch: v.whole(1, 10_000).prefault(256).describe('Changes that share one commit.'),
      examine_waiting: v
        .whole(1, 1_000_000)
        .prefault(1000)
        .describe('Messages that wait for examination; above it MAIL gets 452.'),
      examine_time: v
        .duration(100, '100 ms')
        .prefault('1 minute')
        .describe('How long a worker may take for one message.'),
      workers: v.whole(1, 64).prefault(2).describe('Workers that examine messages and make variants.'),
      worker_memory: v.size().prefault('256MB').describe('Heap of a worker; one that needs more is ended.'),
      deliveries_in_flight: v.whole(1, 10_000).prefault(200).describe('Deliveries leased at the same time.'),
      notifications_in_flight: v
        .whole(1, 1000)
        .prefault(20)
        .describe('DSNs and notes to staff that are written at the same time.'),
      temporary_bytes: v
        .size()
        .prefault('256MB')
        .describe(
          'Octets of variants (PGP, S/MIME) and decoded attachments on the disk; above it none is begun, and deliveries wait. Downloads of the portal have half of it at most, and one recipient an eighth, or one download.',
        ),
      portal_connections: v
        .whole(1, 10_000)
        .prefault(512)
        .describe('Connections at the same time to the portal; more are closed.'),
      reserve_disk: v.size().prefault('256MB').describe('Disk space kept free; MAIL gets 452 when less is left.'),
      reserve_file: v
        .size()
        .prefault('16MB')
        .describe(
          'Size of the file `reserve` in the storage folder, which is given up when the disk is full nevertheless, so that outcomes of deliveries and the audit are still written.',
        ),
    })
    .prefault({})
    .describe('The bound of every stage.');

const anchorsSchema = (files: ReturnType<typeof v.fileValues>) =>
  z
    .strictObject({
      file: files
        .path()
        .exactOptional()
        .describe('File that a line is added to every 15 minutes: on another machine’s disk.'),
      https: v.httpsUrl().exactOptional().describe('URL that the same is sent to by POST, as JSON.'),
      mail: v
        .address()
        .exactOptional()
        .describe('Address of an organization’s staff that gets one by mail, once a day.'),
    })
    .prefault({})
    .describe(
      'Where signed checkpoints of the audit go, so that nobody with this machine can rewrite what was before.',
    );

const alertsSchema = () =>
  z
    .strictObject({
      to: z
        .array(v.address())
        .prefault([])
        .describe('Who gets alerts by mail: addresses of staff of the organizations. Empty: nobody.'),
      held: v.duration().prefault('24 hours').describe('Alert when a message is held for longer.'),
      oldest: v.duration().prefault('12 hours').describe('Alert when a message is under way for longer.'),
      disk: v.size().prefault('2GB').describe('Alert when less disk space is free.'),
      expiry: v
        .duration()
        .prefault('21 days')
        .describe('Alert so long before a certificate or an own key of an organization ends.'),
    })
    .prefault({})
    .describe('When somebody is told that the gateway needs a person: by mail, one a cause and hour at most.');

const retentionSchema = () =>
  z
    .strictObject({
      audit: v
        .term()
        .prefault('6 years 1 month')
        .describe(
          'How long the audit, and with it who got what, is kept: by whole months after their end (45 CFR 164.316 asks for six years). What a legal hold covers stays.',
        ),
    })
    .prefault({})
    .describe('What is destroyed when. Bodies go when their message is finished, parcels by `portal.keep`.');

const controlSchema = (files: ReturnType<typeof v.fileValues>) =>
  z
    .strictObject({
      path: files.path().exactOptional().describe('Folder of the two local sockets. Absent: the storage folder.'),
      admin_group: v.text('the name of a group').exactOptional().describe('Group that may use the control socket.'),
      read_group: v.text('the name of a group').exactOptional().describe('Group that may use the read socket.'),
    })
    .prefault({})
    .describe('The local sockets of the command `sealrelay`.');

/** The schema of a file whose relative paths `resolve` makes absolute. */
export function configSchema(resolve: (path: string) => string) {
  const files = v.fileValues(resolve);
  return z.strictObject({
    version: z.literal(1).describe('Version of this file’s form.'),
    mode: z
      .enum(['evaluation', 'live'])
      .describe('evaluation: connects only to loopback and to hosts of `overrides`, holds the rest. live: delivers.'),
    hostname: v.host().describe('Name in EHLO, in the certificate and in connectors.'),
    node: v
      .nodeName()
      .exactOptional()
      .describe('Name of this gateway in the audit. Absent: the first label of `hostname`.'),
    organizations: z.array(organizationSchema()).min(1).describe('Who may relay through this gateway.'),
    listen: listenSchema().describe('Where it listens.'),
    certificates: certificatesSchema(files),
    protection: protectionSchema(files),
    floors: floorsSchema(),
    tags: tagsSchema(),
    delivery: deliverySchema(),
    portal: portalSchema(),
    resolver: z
      .strictObject({
        servers: z
          .array(v.resolverAddress())
          .prefault([])
          .describe('DNS servers, address or address:port. Empty: those of the system.'),
      })
      .prefault({})
      .describe('DNS.'),
    overrides: overridesSchema(files),
    keys: z
      .strictObject({
        master: files
          .secret()
          .exactOptional()
          .describe('The master key: {file: PATH} or {env: NAME}. Absent in evaluation mode: a throw-away key.'),
      })
      .prefault({})
      .describe('Keys.'),
    storage: z
      .strictObject({
        path: files.path().prefault('~/.local/state/sealrelay').describe('Folder of queue, bodies and audit.'),
      })
      .prefault({})
      .describe('Where state is kept.'),
    queue: queueSchema(),
    limits: limitsSchema(),
    anchors: anchorsSchema(files),
    retention: retentionSchema(),
    alerts: alertsSchema(),
    four_eyes: z
      .array(z.enum(v.FOUR_EYES))
      .prefault([])
      .describe('What another operator has to confirm within 24 hours, or be done as break-glass.'),
    control: controlSchema(files),
    log: z
      .strictObject({
        level: z
          .enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'])
          .prefault('info')
          .describe('Least level of log lines.'),
      })
      .prefault({})
      .describe('The log, one JSON object a line on standard output.'),
  });
}

type DeepReadonly<T> = T extends string | number | boolean | null | undefined
  ? T
  : T extends readonly (infer U)[]
    ? readonly DeepReadonly<U>[]
    : { readonly [K in keyof T]: DeepReadonly<T[K]> };

export type ParsedConfig = DeepReadonly<z.output<ReturnType<typeof configSchema>>>;

/** The configuration as the gateway uses it: durations in ms, sizes in octets, networks parsed, paths absolute, secrets
 *  as references, names of domains in lower-case A-labels. Keys are those of the file. */
export type Config = Omit<ParsedConfig, 'node'> & { readonly node: string };
