// What the portal's mails say, in each language that it speaks. Never anything of the message itself.

import type { Time } from '../domain/ids.ts';
import type { Language } from '../domain/portal.ts';

/** A paragraph; an address that leads somewhere, shown as it is; or something to be read letter by letter. */
export type Block = string | { readonly url: string } | { readonly exact: string };

export type NoticeFacts = {
  readonly organization: string;
  /** As header From shows it. */
  readonly from: string;
  /** The link. */
  readonly url: string;
  /** How every real link begins: `https://secure.clinic.example/`. */
  readonly base: string;
  /** In words, with its time zone. */
  readonly until: string;
  readonly phone: string | null;
  readonly help: string | null;
};
export type ReceiptFacts = {
  readonly organization: string;
  /** When the message was sent, in words. */
  readonly sent: string;
  readonly parcels: readonly { readonly recipient: string; readonly url: string; readonly until: string }[];
  readonly queueId: string;
};
export type CodeFacts = {
  readonly organization: string;
  /** Six digits as they are shown. */
  readonly code: string;
  readonly word: string;
  readonly minutes: number;
};
export type ReplyFacts = { readonly organization: string; readonly recipient: string };

export type Words = {
  readonly locale: string;
  readonly noticeSubject: (organization: string) => string;
  readonly notice: (facts: NoticeFacts) => readonly Block[];
  readonly receiptSubject: string;
  readonly receipt: (facts: ReceiptFacts) => readonly Block[];
  readonly codeSubject: (organization: string) => string;
  readonly code: (facts: CodeFacts) => readonly Block[];
  readonly replyFrom: (facts: ReplyFacts) => string;
  readonly replyFoot: (facts: ReplyFacts) => string;
};

const EN: Words = {
  locale: 'en-US',
  noticeSubject: (organization) => `Secure message from ${organization}`,
  notice: ({ organization, from, url, base, until, phone, help }) => [
    `${from} at ${organization} sent you a message that is kept safe until you pick it up.`,
    'Read it here:',
    { url },
    'What will happen: the page shows a button. When you press it, we send a code of six digits to this mailbox. Type the code into the page, and the message opens. You need no account and no password.',
    `The message waits for you until ${until}.`,
    `How to check that this is real: the link begins with ${base} and this mail has no attachment. We never ask for a password or a payment. If you are not sure, do not use the link; call ${organization} at a number that you know already.`,
    ...(phone === null ? [] : [`Questions? ${organization}: ${phone}`]),
    ...(help === null ? [] : ['Help:', { url: help }]),
    'Please do not answer this mail, nobody reads the answers. You can reply on the page.',
  ],
  receiptSubject: 'Your message waits in the secure portal',
  receipt: ({ sent, parcels, queueId }) => [
    `Your message of ${sent} waits in the secure portal for the recipients below. Each of them gets a mail with a link, which says nothing of your message, and reads it there.`,
    ...parcels.flatMap(({ recipient, url, until }): Block[] => [
      `${recipient} can read it until ${until}. To see whether it was opened, to give it more time or to take it back:`,
      { url },
    ]),
    'Keep this mail: the links stand nowhere else. They ask for a code, which we send to your mailbox.',
    `For your IT staff: queue id ${queueId}.`,
  ],
  codeSubject: (organization) => `Your code for the secure portal of ${organization}`,
  code: ({ organization, code, word, minutes }) => [
    'Your code:',
    { exact: code },
    `Reference word: ${word}. The page that asked for this code shows the same word. If it shows another one, use the code of its own mail.`,
    `The code is good for ${minutes} minutes and can be used once, on that page only.`,
    `Nobody from us asks for it: no one at ${organization} will ask you for this code by phone or by mail. If you did not ask for a code, you need do nothing.`,
  ],
  replyFrom: ({ organization, recipient }) => `${recipient} (secure portal of ${organization})`,
  replyFoot: ({ organization, recipient }) =>
    `Written in the secure portal of ${organization} by somebody who reads the mailbox ${recipient}. What you answer goes to that address, protected as your rules demand.`,
};

const ES: Words = {
  locale: 'es-US',
  noticeSubject: (organization) => `Mensaje seguro de ${organization}`,
  notice: ({ organization, from, url, base, until, phone, help }) => [
    `${from}, de ${organization}, le ha enviado un mensaje que está guardado de forma segura hasta que usted lo recoja.`,
    'Léalo aquí:',
    { url },
    'Qué va a pasar: la página muestra un botón. Cuando lo pulse, le enviaremos un código de seis dígitos a este buzón. Escriba el código en la página y el mensaje se abrirá. No necesita cuenta ni contraseña.',
    `El mensaje le espera hasta el ${until}.`,
    `Cómo comprobar que esto es auténtico: el enlace empieza por ${base} y este correo no lleva archivos adjuntos. Nunca le pedimos una contraseña ni un pago. Si tiene dudas, no use el enlace; llame a ${organization} a un número que usted ya conozca.`,
    ...(phone === null ? [] : [`¿Preguntas? ${organization}: ${phone}`]),
    ...(help === null ? [] : ['Ayuda:', { url: help }]),
    'Por favor, no conteste a este correo: nadie lee las respuestas. Puede responder en la página.',
  ],
  receiptSubject: 'Su mensaje espera en el portal seguro',
  receipt: ({ sent, parcels, queueId }) => [
    `Su mensaje del ${sent} espera en el portal seguro a los destinatarios siguientes. Cada uno recibe un correo con un enlace, que no dice nada de su mensaje, y lo lee allí.`,
    ...parcels.flatMap(({ recipient, url, until }): Block[] => [
      `${recipient} puede leerlo hasta el ${until}. Para ver si lo ha abierto, darle más tiempo o retirarlo:`,
      { url },
    ]),
    'Guarde este correo: los enlaces no están en ningún otro lugar. Piden un código, que le enviamos a su buzón.',
    `Para su departamento de informática: queue id ${queueId}.`,
  ],
  codeSubject: (organization) => `Su código para el portal seguro de ${organization}`,
  code: ({ organization, code, word, minutes }) => [
    'Su código:',
    { exact: code },
    `Palabra de referencia: ${word}. La página que pidió este código muestra la misma palabra. Si muestra otra, use el código de su propio correo.`,
    `El código sirve durante ${minutes} minutos y una sola vez, solo en esa página.`,
    `Nadie de nosotros se lo pedirá: nadie de ${organization} le preguntará este código por teléfono ni por correo. Si usted no lo ha pedido, no tiene que hacer nada.`,
  ],
  replyFrom: ({ organization, recipient }) => `${recipient} (portal seguro de ${organization})`,
  replyFoot: ({ organization, recipient }) =>
    `Escrito en el portal seguro de ${organization} por alguien que lee el buzón ${recipient}. Lo que usted conteste irá a esa dirección, protegido como lo exijan sus reglas.`,
};

export const WORDS: Readonly<Record<Language, Words>> = { en: EN, es: ES };

/** `Thursday, December 24, 2026 at 9:30 AM CST`; `timeZone`: IANA name. */
export function dateWords(at: Time, language: Language, timeZone: string): string {
  const format = new Intl.DateTimeFormat(WORDS[language].locale, {
    ...{ weekday: 'long', year: 'numeric', month: 'long', day: 'numeric' },
    ...{ hour: 'numeric', minute: '2-digit', timeZoneName: 'short', timeZone },
  } as Intl.DateTimeFormatOptions);
  return format.format(at).replace(/\p{Z}/gu, ' ');
}
