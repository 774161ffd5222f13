// Signs that a text speaks of a certain person: a name behind a word for a patient, a title, a name that does what patients
// do, an age with a sex, or the reader addressed ("your results"). No list of names yet; it comes with the PHI engine.
// Found places feed the verdict (judge.ts) and are no findings of their own.

import { isDigit } from './detector.ts';
import { type Hints, matchesAt, type Needs, type Places } from './hints.ts';

export type PersonSign = { readonly start: number; readonly kind: 'person' | 'age' | 'reader' };

const NAME = "[A-Z][a-zà-ÿ'-]{1,20}";
/** What stands before a name, with what may stand between. */
const TITLES = ['mr', 'mrs', 'ms', 'miss', 'sr', 'sra', 'srta'].flatMap((title) => [`${title} `, `${title}.`]);
const KIN = ['my', 'her', 'his', 'their', 'our'].flatMap((whose) =>
  'son daughter mother father mom dad wife husband baby child sister brother'
    .split(' ')
    .map((one) => `${whose} ${one}`),
);
/** What a patient does, behind the name. */
const DOES =
  'was is has had presented called came needs no-showed underwent started tested missed reports reported denies fue tiene who will takes received got developed ( age dob'
    .split(' ')
    .map((verb) => ` ${verb}`);
/** `4 yo`, `44-year`, `44M`, `4 años`: a digit, what may stand between, and how it goes on. */
const AGES = [...'0123456789'].flatMap((digit) =>
  ['y', ' y', '-y', 'm', ' m', 'f', ' f', ' a'].map((end) => `${digit}${end}`),
);
/** `pattern` is searched for where one of the words stands in the text (`anywhere`), or tried where one stands, which it begins
 *  with (`word`) or has behind its digits (`digit`: the last of them belongs to the word). */
type Sign = {
  readonly kind: PersonSign['kind'];
  readonly at: 'anywhere' | 'word' | 'digit';
  readonly needs: Needs;
  readonly pattern: RegExp;
};
export const SIGNS: readonly Sign[] = [
  {
    kind: 'person',
    at: 'word',
    needs: 'patient pt paciente member beneficiary resident claimant insured subscriber name nombre client'.split(' '),
    pattern: new RegExp(
      `\\b(?:[Pp]atient|PATIENT|[Pp]t|PT|[Pp]aciente|PACIENTE|[Mm]ember|[Bb]eneficiary|[Rr]esident|[Cc]laimant|[Ii]nsured|[Ss]ubscriber|[Nn]ame|[Nn]ombre|[Cc]lient)(?:'s)?(?: [Nn]ame)?(?:\\s?[:#-]\\s{0,3}|\\s{1,3})(?!(?:Name|Portal|Care|Services|Access|Safety|Information|Relations|Rights|ID|Id|Id\\w*)\\b)(?:${NAME}|[A-Z]{2,20}, ?[A-Z])`,
      'y',
    ),
  },
  {
    kind: 'person',
    at: 'word',
    needs: TITLES,
    pattern: new RegExp(`\\b(?:Mr|Mrs|Ms|Miss|Sra?|Srta)\\.? ${NAME}`, 'y'),
  },
  {
    kind: 'person',
    at: 'anywhere',
    needs: DOES,
    pattern: new RegExp(
      `(?<!Dr\\.? )\\b${NAME} (?:[A-Z]\\.? )?${NAME},? (?:was|is|has|had|presented|called|came|needs|no-showed|underwent|started|tested|missed|reports|reported|denies|fue|tiene|who|will|takes|received|got|developed|\\(|age|aged|DOB|dob)(?![a-z])`,
      'g',
    ),
  },
  { kind: 'person', at: 'anywhere', needs: ['^'], pattern: /\b[A-Z]{2,20}\^[A-Z]{1,20}/g },
  {
    kind: 'person',
    at: 'word',
    needs: KIN,
    pattern:
      /\b(?:my|her|his|their|our) (?:son|daughter|mother|father|mom|dad|wife|husband|baby|child|sister|brother)\b/iy,
  },
  {
    kind: 'age',
    at: 'digit',
    needs: AGES,
    pattern:
      /\b\d{1,3}[ -]?(?:yo|y\/o|y\.o\.|year[ -]old|yr[ -]old)\b|\b\d{2} ?(?:M|F)\b(?! ?[a-z0-9])|\b\d{1,3} años\b/y,
  },
  {
    kind: 'reader',
    at: 'word',
    needs: ['your ', 'su ', 'sus '],
    pattern:
      /\b(?:your|su|sus) (?:upcoming |recent |next |new )?(?:appointment|results?|lab results|test results|prescription|diagnosis|surgery|procedure|biopsy|mammogram|colonoscopy|refill|cita|resultados|receta)\b/iy,
  },
];

/** All signs in order of kind; at most 1,000 of each. `hints` is of the same text, made of lists that hold those of SIGNS. */
export function findPersons(text: string, hints: Hints): PersonSign[] {
  return [...signsIn(text, hints, SIGNS)];
}

/** Whether one of them is of the kind `person` and begins between the two places. */
export function namesPerson(text: string, hints: Hints, from: number, to: number): boolean {
  for (const { start } of signsIn(text, hints, NAMING)) if (start >= from && start < to) return true;
  return false;
}

const NAMING = SIGNS.filter(({ kind }) => kind === 'person');
const MOST = 1_000;
/** Digits of an age. */
const DIGITS = 3;

function* signsIn(text: string, hints: Hints, signs: readonly Sign[]): Generator<PersonSign, void, void> {
  for (const sign of signs) {
    let count = 0;
    for (const start of startsOf(text, hints, sign)) {
      if (++count > MOST) break;
      yield { start, kind: sign.kind };
    }
  }
}

function* startsOf(text: string, hints: Hints, { at, needs, pattern }: Sign): Generator<number, void, void> {
  const places = hints.places(needs);
  if (places.length === 0) return;
  if (at === 'digit') yield* startsBefore(text, places, pattern);
  else {
    const matches = at === 'word' ? matchesAt(text, places, pattern) : text.matchAll(pattern);
    for (const { index } of matches) yield index;
  }
}

/** Where `pattern`, which begins with up to three digits, matches with the last of them at one of the places. */
function* startsBefore(text: string, places: Places, pattern: RegExp): Generator<number, void, void> {
  let from = 0;
  for (const place of places) {
    if (place < from) continue;
    let start = place;
    while (start > from && place - start < DIGITS && isDigit(text.charCodeAt(start - 1))) start--;
    pattern.lastIndex = start;
    if (!pattern.test(text)) continue;
    from = pattern.lastIndex;
    yield start;
  }
}
