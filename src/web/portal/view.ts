// What all pages share: whose portal, in which language, and how dates, sizes and links are written in it.

import type { Time } from '../../domain/ids.ts';
import type { Language } from '../../domain/portal.ts';
import { english, type Words } from './english.ts';
import { spanish } from './spanish.ts';

export const WORDS: Readonly<Record<Language, Words>> = { en: english, es: spanish };
const ALL: readonly Language[] = ['en', 'es'];

export type Office = {
  readonly name: string;
  readonly languages: readonly Language[];
  readonly phone: string | null;
  readonly help: string | null;
};

export type View = {
  readonly words: Words;
  readonly language: Language;
  readonly languages: readonly Language[];
  /** Picked by `?lang=`; goes along in every link then. */
  readonly picked: boolean;
  /** Null on a host that is no portal's. */
  readonly office: Office | null;
  /** Query of this page without `lang`, for the links to the other languages; null where a GET would not show it again. */
  readonly again: Readonly<Record<string, string>> | null;
};

/** `asked` (of the URL) goes before the browser's `accept` (Accept-Language), both among the office's languages. */
export function viewOf(given: {
  readonly office: Office | null;
  readonly asked: string | undefined;
  readonly accept: string;
}): View {
  const offered = given.office?.languages ?? [];
  const languages = offered.length > 0 ? offered : ALL;
  const asked = languages.find((language) => language === given.asked);
  const language = asked ?? accepted(given.accept, languages);
  const { office } = given;
  return { words: WORDS[language], language, languages, picked: asked !== undefined, office, again: {} };
}

/** RFC 9110 §12.5.4, by the primary subtag; the first language when none fits. */
function accepted(header: string, languages: readonly Language[]): Language {
  const wishes = header
    .slice(0, 500)
    .split(',')
    .map((item) => {
      const [range = '', ...rest] = item.trim().toLowerCase().split(';');
      const q = /^\s*q=([\d.]+)/.exec(rest.join(';'))?.[1];
      return { tag: range.split('-')[0], weight: q === undefined ? 1 : Number(q) };
    })
    .filter(({ weight }) => weight > 0)
    .sort((a, b) => b.weight - a.weight);
  for (const { tag } of wishes) {
    const found = languages.find((language) => language === tag);
    if (found !== undefined) return found;
  }
  return languages[0] as Language;
}

/** A path of ours in the language that was picked. */
export function at(view: View, path: string, query: Readonly<Record<string, string>> = {}): string {
  const search = new URLSearchParams({ ...query, ...(view.picked ? { lang: view.language } : {}) }).toString();
  return search === '' ? path : `${path}?${search}`;
}

/** Name of a person for a sentence: `Dr. Lee` of `Dr. Lee <lee@clinic.example>`. */
export function who(from: string): string {
  return from.replace(/\s*<[^<>]*>$/, '').trim() || from;
}

const DATE = { year: 'numeric', month: 'long', day: 'numeric' } as const;
const CLOCK = { hour: 'numeric', minute: '2-digit', timeZoneName: 'short' } as const;

/** `November 24, 2026, 9:42 AM EST`. */
export function dateTime(view: View, time: Time, timeZone: string): string {
  return format(view, { ...DATE, ...CLOCK }, time, timeZone);
}

/** `9:57 AM EST`. */
export function clock(view: View, time: Time, timeZone: string): string {
  return format(view, CLOCK, time, timeZone);
}

function format(view: View, options: Intl.DateTimeFormatOptions, time: Time, timeZone: string): string {
  try {
    return new Intl.DateTimeFormat(view.words.locale, { ...options, timeZone }).format(time);
  } catch {
    return new Date(time).toISOString();
  }
}

/** `640 bytes`, `38 kB`, `1.2 MB`; 1 kB is 1,000 octets. */
export function size(view: View, octets: number): string {
  const unit = octets < 1_000 ? 'byte' : octets < 1_000_000 ? 'kilobyte' : 'megabyte';
  const value = unit === 'byte' ? octets : unit === 'kilobyte' ? octets / 1_000 : octets / 1_000_000;
  const digits = unit === 'megabyte' && value < 10 ? 1 : 0;
  const style = { style: 'unit', unit, unitDisplay: unit === 'byte' ? 'long' : 'short' } as const;
  return new Intl.NumberFormat(view.words.locale, { ...style, maximumFractionDigits: digits }).format(value);
}
