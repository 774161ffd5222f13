// Windows code pages, by the numbers that MAPI and RTF name them with, as charset labels. Pure.

const LABELS: Readonly<Record<number, string>> = {
  866: 'ibm866',
  874: 'windows-874',
  932: 'shift_jis',
  936: 'gbk',
  949: 'euc-kr',
  950: 'big5',
  1200: 'utf-16le',
  1201: 'utf-16be',
  10000: 'macintosh',
  10007: 'x-mac-cyrillic',
  20127: 'us-ascii',
  20866: 'koi8-r',
  20932: 'euc-jp',
  20936: 'gbk',
  21866: 'koi8-u',
  50220: 'iso-2022-jp',
  50221: 'iso-2022-jp',
  50222: 'iso-2022-jp',
  51932: 'euc-jp',
  51936: 'gbk',
  51949: 'euc-kr',
  54936: 'gb18030',
  65001: 'utf-8',
};

/** Charset of a code page; `windows-1252` for 0, which is none. A page that no decoder is for (437) becomes `cp437`, which
 *  is then told as unknown. */
export function charsetOf(page: number): string {
  const label = LABELS[page];
  if (label !== undefined) return label;
  if (page === 0) return 'windows-1252';
  if (page >= 1250 && page <= 1258) return `windows-${page}`;
  return page >= 28591 && page <= 28606 ? `iso-8859-${page - 28590}` : `cp${page}`;
}

/** UTF-7, HZ, the ISO 2022 family, UTF-16 and UTF-32: octets below 128 say something else than in ASCII. */
const NOT_ASCII: ReadonlySet<number> = new Set([
  ...[1200, 1201, 12000, 12001, 52936, 65000],
  ...[50220, 50221, 50222, 50225, 50227, 50229],
]);

/** What is ASCII by its octets says the same in that code page. */
export function hasAscii(page: number): boolean {
  return !NOT_ASCII.has(page);
}
