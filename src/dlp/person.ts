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
export const SIGNS: readonly { readonly kind: PersonSign['kind']; readonly pattern: RegExp; readonly needs: Needs }[] =
  [
    {
      kind: 'person',
      needs: 'patient pt paciente member beneficiary resident claimant insured subscriber name nombre client'.split(
        ' ',
      ),
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
        /\b\d{1,3}[ -]?(?:yo|y\/o|y\.o\.|year[ -]old|yr[ -]old)\b|\b\d{2} ?(?:M|F)\b(?! ?[a-z0-9])|\b\d{1,3} años\b/g,
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
  const found: PersonSign[] = [];
  for (const [i, { kind, pattern }] of SIGNS.entries()) {
    if ((hints & (1 << i)) === 0) continue;
    let count = 0;
    for (const match of text.matchAll(pattern)) {
      if (++count > 1_000) break;
      found.push({ start: match.index, kind });
    }
  }
  return found;
}
