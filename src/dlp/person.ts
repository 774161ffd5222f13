// Signs that a text speaks of a certain person: a name behind a word for a patient, a title, a name that does what patients
// do, an age with a sex, or the reader addressed ("your results"). No list of names yet; it comes with the PHI engine.
// Found places feed the verdict (judge.ts) and are no findings of their own.

import type { Needs } from './hints.ts';

export type PersonSign = { readonly start: number; readonly kind: 'person' | 'age' | 'reader' };

const NAME = "[A-Z][a-zà-ÿ'-]{1,20}";
/** What stands before a name, with what may stand between. */
const TITLES = ['mr', 'mrs', 'ms', 'miss', 'sr', 'sra', 'srta'].flatMap((title) => [`${title} `, `${title}.`]);
const KIN = 'son daughter mother father mom dad wife husband baby child sister brother'
  .split(' ')
  .map((one) => ` ${one}`);
/** `4 yo`, `44-year`, `44M`, `4 años`: a digit, what may stand between, and how it goes on. */
const AGES = [...'0123456789'].flatMap((digit) =>
  ['y', ' y', '-y', 'm', ' m', 'f', ' f', ' a'].map((end) => `${digit}${end}`),
);
/** `last`: where a digit of the sign ends and how it goes on; `pattern` is then only tried at the digits that it finds. */
type Sign = {
  readonly kind: PersonSign['kind'];
  readonly pattern: RegExp;
  readonly needs: Needs;
  readonly last?: RegExp;
};
export const SIGNS: readonly Sign[] = [
  {
    kind: 'person',
    needs: 'patient pt paciente member beneficiary resident claimant insured subscriber name nombre client'.split(' '),
    pattern: new RegExp(
      `\\b(?:[Pp]atient|PATIENT|[Pp]t|PT|[Pp]aciente|PACIENTE|[Mm]ember|[Bb]eneficiary|[Rr]esident|[Cc]laimant|[Ii]nsured|[Ss]ubscriber|[Nn]ame|[Nn]ombre|[Cc]lient)(?:'s)?(?: [Nn]ame)?(?:\\s?[:#-]\\s{0,3}|\\s{1,3})(?!(?:Name|Portal|Care|Services|Access|Safety|Information|Relations|Rights|ID|Id|Id\\w*)\\b)(?:${NAME}|[A-Z]{2,20}, ?[A-Z])`,
      'g',
    ),
  },
  { kind: 'person', needs: TITLES, pattern: new RegExp(`\\b(?:Mr|Mrs|Ms|Miss|Sra?|Srta)\\.? ${NAME}`, 'g') },
  {
    kind: 'person',
    needs: [],
    pattern: new RegExp(
      `(?<!Dr\\.? )\\b${NAME} (?:[A-Z]\\.? )?${NAME},? (?:was|is|has|had|presented|called|came|needs|no-showed|underwent|started|tested|missed|reports|reported|denies|fue|tiene|who|will|takes|received|got|developed|\\(|age|aged|DOB|dob)(?![a-z])`,
      'g',
    ),
  },
  { kind: 'person', needs: ['^'], pattern: /\b[A-Z]{2,20}\^[A-Z]{1,20}/g },
  {
    kind: 'person',
    needs: KIN,
    pattern:
      /\b(?:my|her|his|their|our) (?:son|daughter|mother|father|mom|dad|wife|husband|baby|child|sister|brother)\b/gi,
  },
  {
    kind: 'age',
    needs: AGES,
    pattern:
      /\b\d{1,3}[ -]?(?:yo|y\/o|y\.o\.|year[ -]old|yr[ -]old)\b|\b\d{2} ?(?:M|F)\b(?! ?[a-z0-9])|\b\d{1,3} años\b/gy,
    last: /\d(?:[ -]?y| ?[MF]| a)/g,
  },
  {
    kind: 'reader',
    needs: ['your ', 'su ', 'sus '],
    pattern:
      /\b(?:your|su|sus) (?:upcoming |recent |next |new )?(?:appointment|results?|lab results|test results|prescription|diagnosis|surgery|procedure|biopsy|mammogram|colonoscopy|refill|cita|resultados|receta)\b/gi,
  },
];

/** All signs in order of kind; at most 1,000 of each. `hints`: bit i, whether the i-th of SIGNS is to be looked for. */
export function findPersons(text: string, hints = -1): PersonSign[] {
  return [...signsIn(text, hints)];
}

/** Whether one of them is of the kind `person` and begins between the two places. */
export function namesPerson(text: string, hints: number, from: number, to: number): boolean {
  for (const { start } of signsIn(text, hints, 'person')) if (start >= from && start < to) return true;
  return false;
}

function* signsIn(text: string, hints: number, only?: PersonSign['kind']): Generator<PersonSign, void, void> {
  for (const [i, { kind, pattern, last }] of SIGNS.entries()) {
    if ((hints & (1 << i)) === 0 || (only !== undefined && only !== kind)) continue;
    let count = 0;
    for (const start of last ? startsBefore(text, last, pattern) : startsOf(text, pattern)) {
      if (++count > MOST) break;
      yield { start, kind };
    }
  }
}

const MOST = 1_000;
/** Digits of an age. */
const DIGITS = 3;

function* startsOf(text: string, pattern: RegExp): Generator<number, void, void> {
  for (const match of text.matchAll(pattern)) yield match.index;
}

/** As `startsOf`, by a quick search for the end of the digits that `pattern` begins with: a table is full of digits. */
function* startsBefore(text: string, last: RegExp, pattern: RegExp): Generator<number, void, void> {
  let from = 0;
  for (const { index } of text.matchAll(last)) {
    if (index < from) continue;
    let start = index;
    while (start > from && index - start < DIGITS && isDigit(text.charCodeAt(start - 1))) start--;
    pattern.lastIndex = start;
    if (!pattern.test(text)) continue;
    from = pattern.lastIndex;
    yield start;
  }
}

function isDigit(unit: number): boolean {
  return unit > 47 && unit < 58;
}
