// Names that are legal on Linux and that people, terminals, shells, languages, other systems or careless programs stumble
// over: several hundred, by rules and by hand. As `decodeName` gives them: U+DC80 to U+DCFF are bytes that are no text.
// For tests only.

/** By hand; those with a space or a line break in them stand apart. */
const stumblers = `
__proto__ constructor prototype toString hasOwnProperty valueOf __defineGetter__ length undefined null NaN true 0 -1 1e3
CON PRN AUX NUL COM0 COM1 LPT9 CONIN$ CONOUT$ con.txt NUL.tar.gz com\u00b9 aux.h trailing. ... a:b C: C:x \\\\?\\C: a\\b \\ a*b a?b
a<b> a|b a"b $MFT $LogFile LONGNA~1.TXT desktop.ini Thumbs.db .DS_Store ._resource .git .gitignore .nightferryignore~
~ ~root ~+ -rf -- - --help -n @file #x =x +x ' " \` ; & | * ? < > ! % %s%n %00 %2e%2e%2f ..%2f ..a a.. .a. a...b .... {} {a,b} [a-z] !x
$(id) ;id \`id\` $HOME \${x} $'\\n' &&id >x 2>&1 "'" (x) ^x x=y *.* [[] []] /dev/null<x <img-src=x> <script>alert(1)</script>
' OR 1=1 --;DROP;-- {{7*7}} \${7*7} ../x%00 \\xff \\\\xff \\u202e \\n \\0 &lt; &amp; %ff %C0%AF =cmd|'!A0
\u0001 \u001b[2J \u001b]0;x\u0007 \u007f \u009b \u202ecod.exe \u2066 \u2069 \u200b \u200d \u200e \u00ad \u034f \ufe0f \u{e0041} \u{e0001}
\ufffd \ufffe \uffff \u{1fffe} \u{10ffff} \u{10fffe} \u{f0000} \uf03a \uf000 \uf05c \ufdd0
\u{1f468}\u200d\u{1f469}\u200d\u{1f467} \u{1f1ea}\u{1f1fa} \u{1f44d}\u{1f3fd} \u2764\ufe0f \u{1f600}\u{1f600}
A a \u00c5 \u212b A\u030a \u00e9 e\u0301 E\u0301 ss \u00df \u1e9e SS i I \u0131 \u0130 i\u0307 K \u212a k \u03c3 \u03c2 \u03a3 \u01c5 \u01c4 \u01c6
\ufb01 fi \ufb03 \uff0e\uff0e \u2024\u2024 \u2215 \uff0f \uff1a \uff0a \u2044 \u2026 \u3002 \u0340 \u0300 \u0958 \u0915\u093c \uac00 \u1100\u1161
.nightferry.old nightferry .nightferryx x.nightferry .nightferry- nightferry~1 staging versions root.json
日本語 العربية עברית हिन्दी 한국어 ไทย Ελληνικά кириллица z\u0300\u0301\u0302\u0303\u0304 田中さんにあげて下さい`

const spaced = `trailing |  |   |. .|.. | x|a b|a  b|a |.|..a b|CON .txt|\u00a0|\u3000|\u2003|\u2028|\u2029|\ufeff|\ufeffa|\u0085|\u180e`
const broken = ['\n', '\r\n', '\r', '\t', 'a\nb', 'a\tb', '\n.txt', 'a\u0000b'.replace('\0', '\u0001'), '\v\f\b']

/** As long as a name may be, in characters of each length, and one byte less. */
const longest = [
  ...['x'.repeat(255), 'x'.repeat(254), 'ü'.repeat(127), '日'.repeat(85), '\u{1f600}'.repeat(63)],
  ...[
    `${'n'.repeat(251)}.txt`,
    `${'e\u0301'.repeat(85)}`,
    `.${'d'.repeat(254)}`,
    `${' '.repeat(254)}x`,
    '\udcff'.repeat(255),
  ],
]

/** Bytes that are no text: single ones, cut and overlong forms, surrogates, what others make of them beside them. */
const raw = [
  ...[
    '\udcff',
    'f\udcff\udcfe',
    'f\ufffd\ufffd',
    '\udcff.txt',
    'x\udc80y',
    'x\udcc3',
    '\udcc3x',
    '\udce2\udc82',
    'ä\udcff',
  ],
  ...[
    '\udcc0\udcaf',
    '\udcc0\udcae\udcc0\udcae',
    '\udced\udca0\udc80',
    '\udced\udcb3\udcbf',
    '\udcf4\udc90\udc80\udc80',
  ],
  ...[
    '\udcff\udcfea\udc80',
    '\udcf0\udc9f\udc98',
    '\udcff\ufeff',
    'caf\udce9',
    'na\udcefve',
    '\udc93quoted\udc94',
    '.\udcff',
  ],
  ...['\udcff\n', '\udcff ', '-\udcff', '\udc9b31m', '\udcb0\udca1\udcb0\udca2', '\udcffA', '\udcffa'],
]

/** Every one of them is a name that Linux takes, and that Nightferry carries from Linux to Linux. Each stands once. */
export function oddNames(): string[] {
  const odd: string[] = []
  // Every character below 256 that a name may hold, in the middle, and where it may matter first and last too.
  for (let code = 1; code < 256; code++) {
    const character = String.fromCharCode(code)
    if (character === '/' || character === '.') continue
    odd.push(`x${character}y`)
    if (code < 0x30 || code > 0xa0) odd.push(`${character}y`, `y${character}`)
    if (code >= 0x80) odd.push(`b${String.fromCharCode(0xdc00 + code)}b`)
  }
  const byHand = [...stumblers.split(/[ \n]/), ...spaced.split('|')]
  const names = byHand.filter(
    (name) => !['', '.', '..'].includes(name) && !name.includes('/') && !/^nightferry~\d$/.test(name),
  )
  return [...new Set([...names, ...broken, ...longest, ...raw, ...odd])]
}
