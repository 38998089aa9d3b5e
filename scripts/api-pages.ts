// Makes the pages of the library's interface from the declarations that the compiler emits: one page for each thing that
// `nightferry` exports, and for each type that those mention, with its contract, its declaration and a link to its source.
// Plain HTML, no script, nothing from elsewhere. TypeScript 7 has no compiler API, but its declarations are printed in one
// regular form: what stands at column 0 begins a statement, what is indented by four begins a member.
// Run it: node scripts/api-pages.ts TYPES OUT   (npm run docs does)

import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join, posix, relative } from 'node:path'

/** One declaration, as it was printed. */
export type Declaration = {
  /** Where it stands, below the types' folder, such as `src/api/main`. */
  readonly module: string
  readonly name: string
  readonly kind: string
  /** Its contract; '' where it has none. */
  readonly about: string
  /** Without the contract. */
  readonly text: string
}

export type Page = {
  /** What it is called in the library, which may differ from what it is called at home. */
  readonly name: string
  readonly isExported: boolean
  readonly declaration: Declaration
  readonly members: readonly Member[]
}

export type Member = { readonly text: string; readonly about: string }

type Module = {
  readonly declarations: ReadonlyMap<string, Declaration>
  /** By the name that it has here: the module that it comes from, and its name there. */
  readonly imports: ReadonlyMap<string, { readonly module: string; readonly name: string }>
  readonly exported: readonly string[]
}

const entry = 'src/api/main'

/** Splits text into pieces that begin at this indentation: each a comment, if one stands before it, and what follows. */
function pieces(text: string, indent: string): { about: string; text: string }[] {
  const found: { about: string; text: string }[] = []
  let about: string[] | undefined
  let isOver = true
  for (const line of text.split('\n')) {
    const own = line.startsWith(indent) ? line.slice(indent.length) : line.trimStart()
    const begins = line.startsWith(indent) && own !== '' && !/^[\s})\]]/.test(own)
    if (begins && own.startsWith('/**')) {
      about = [own]
      isOver = own.endsWith('*/')
    } else if (about !== undefined && !isOver) {
      about.push(line.trim())
      isOver = line.trimEnd().endsWith('*/')
    } else if (begins && !own.startsWith('//')) {
      found.push({ about: commentText(about ?? []), text: own })
      about = undefined
    } else if (own !== '' && !own.startsWith('//')) {
      const last = found.at(-1)
      if (last !== undefined) last.text += `\n${own}`
    }
  }
  return found
}

function commentText(lines: readonly string[]): string {
  const text = lines.map((line) => line.replace(/^\/\*\*\s?|\s*\*\/$|^\*\s?/g, '').replace(/\s*\*\/$/, ''))
  return text.join('\n').trim()
}

function parseModule(module: string, text: string): Module {
  const declarations = new Map<string, Declaration>()
  const imports = new Map<string, { module: string; name: string }>()
  const exported: string[] = []
  for (const piece of pieces(text, '')) {
    const from = /^(?:import|export)(?: type)? \{([^}]*)\}(?: from '(.*)')?;/.exec(piece.text)
    const [, kind, name = ''] =
      /^(?:export )?(?:declare )?(?:abstract )?(function|class|interface|type|const) (\w+)/.exec(piece.text) ?? []
    if (kind !== undefined) {
      declarations.set(name, { module, name, kind, about: piece.about, text: piece.text })
      if (piece.text.startsWith('export ')) exported.push(name)
    } else if (from !== null) {
      for (const part of (from[1] ?? '').split(',')) {
        const [there = '', here = there] = part
          .trim()
          .replace(/^type /, '')
          .split(' as ')
        if (from[2]?.startsWith('.')) {
          const target = posix.join(posix.dirname(module), from[2]).replace(/\.ts$/, '')
          imports.set(here, { module: target, name: there })
        } else if (from[2] === undefined && there !== '') exported.push(here)
      }
    }
  }
  return { declarations, imports, exported }
}

/** All pages: first what is exported, then what that mentions. */
export function pagesOf(types: string): readonly Page[] {
  const modules = new Map<string, Module>()
  const moduleOf = (module: string): Module => {
    const known = modules.get(module) ?? parseModule(module, readFileSync(join(types, `${module}.d.ts`), 'utf8'))
    modules.set(module, known)
    return known
  }
  const resolve = (module: string, name: string): Declaration | undefined => {
    const { declarations, imports } = moduleOf(module)
    const from = imports.get(name)
    return declarations.get(name) ?? (from === undefined ? undefined : resolve(from.module, from.name))
  }
  const pages = new Map<Declaration, Page>()
  const add = (name: string, isExported: boolean, declaration: Declaration): void => {
    if (!pages.has(declaration))
      pages.set(declaration, { name, isExported, declaration, members: membersOf(declaration) })
  }
  for (const name of moduleOf(entry).exported) {
    const declaration = resolve(entry, name)
    if (declaration === undefined) throw new Error(`nothing declares ${name}`)
    add(name, true, declaration)
  }
  for (const { declaration } of pages.values()) {
    for (const name of mentioned(declaration)) {
      const other = resolve(declaration.module, name)
      if (other !== undefined) add(name, false, other)
    }
  }
  const all = [...pages.values()]
  const names = all.map(({ name }) => name.toLowerCase())
  const twice = names.find((name, index) => names.indexOf(name) !== index)
  if (twice !== undefined) throw new Error(`two things are called ${twice}`)
  return all
}

/** Names of types in a declaration, and of values whose type it takes. */
function mentioned({ text }: Declaration): readonly string[] {
  const code = text.replace(/\/\*\*[\s\S]*?\*\//g, '').replace(/'[^']*'/g, "''")
  return [...code.matchAll(/\b([A-Z]\w*)\b|\btypeof (\w+)/g)].map(([, type, value]) => type ?? value ?? '')
}

/** The members of an interface, a class or an object type; none where it is a choice of several. */
function membersOf({ text, kind }: Declaration): readonly Member[] {
  const body = /^[^{]*\{\n([\s\S]*)\n\};?$/.exec(text)?.[1]
  if (body === undefined || kind === 'function' || /^\}/m.test(body)) return []
  return pieces(body, '    ').map((piece) => ({ ...piece, text: piece.text.replace(/;$/, '') }))
}

const escapes: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' }

function html(text: string): string {
  return text.replace(/[&<>"]/g, (char) => escapes[char] ?? char)
}

/** Prose: paragraphs, and what stands between backticks as code. */
function prose(text: string): string {
  const paragraphs = text.split(/\n\s*\n/).filter((part) => part !== '')
  return paragraphs.map((part) => `<p>${html(part).replace(/`([^`]+)`/g, '<code>$1</code>')}</p>`).join('\n')
}

function fileOf(page: Page): string {
  return `${page.name}.html`
}

/** Code, in which each name of a page leads there. */
function code(text: string, page: Page, pages: readonly Page[], linkOf: (name: string) => Page | undefined): string {
  return html(text).replace(/&\w+;|\b[A-Za-z]\w*\b/g, (word) => {
    const other = linkOf(word)
    return other === undefined || other === page || !pages.includes(other)
      ? word
      : `<a href="${fileOf(other)}">${word}</a>`
  })
}

function frame(title: string, body: string): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${html(title)}</title>
<link rel="stylesheet" href="style.css">
</head>
<body>
${body}
</body>
</html>
`
}

const style = `:root { color-scheme: light dark; --ink: light-dark(#1c2430, #dfe6ee); --quiet: light-dark(#5a6675, #9aa7b5);
  --paper: light-dark(#fff, #14191f); --shade: light-dark(#f2f5f8, #1d242c); --link: light-dark(#0b5cad, #7db8f5) }
body { margin: 0 auto; padding: 1rem 1.25rem 3rem; max-width: 46rem; background: var(--paper); color: var(--ink);
  font: 1rem/1.55 system-ui, sans-serif; overflow-wrap: anywhere }
a { color: var(--link) }
h1 { font-size: 1.6rem; line-height: 1.2; margin: 1rem 0 .25rem } h2 { font-size: 1.15rem; margin: 2rem 0 .5rem }
code, pre { font: .875rem/1.5 ui-monospace, monospace } code { background: var(--shade); padding: .1em .25em; border-radius: .2em }
pre { background: var(--shade); padding: .75rem 1rem; border-radius: .4rem; overflow-x: auto; overflow-wrap: normal }
pre code, dt code { background: none; padding: 0 }
dl { margin: 0 } dt { margin-top: 1rem; padding-top: .75rem; border-top: 1px solid var(--shade) } dd { margin: .25rem 0 0 } dd p { margin: .25rem 0 }
dt code { white-space: pre-wrap } .quiet { color: var(--quiet); margin: 0 } ul { padding-left: 1.25rem } li { margin: .35rem 0 }
`

/** The line of a declaration in its source; 1 where it is not found. */
function lineOf(source: string, name: string): number {
  const at = source.search(
    new RegExp(`^(export )?(declare )?(abstract )?(async )?(function|class|interface|type|const) ${name}\\b`, 'm'),
  )
  return source.slice(0, Math.max(0, at)).split('\n').length
}

/** Every file of the documentation by its name. `clone` is where the sources lie, seen from the pages. */
export function filesOf(types: string, clone: string, clonePath: string): ReadonlyMap<string, string> {
  const pages = pagesOf(types)
  const source = (module: string): string => readFileSync(join(clonePath, `${module}.ts`), 'utf8')
  const head = (source(entry).match(/^\/\/.*\n/gm) ?? []).map((line) => line.slice(3)).join('')
  const files = new Map([['style.css', style]])
  for (const page of pages) {
    const { declaration, members, name } = page
    // The same name may mean another thing at home: there the declaration's own module decides.
    const linkOf = (word: string): Page | undefined =>
      pages.find((one) => one.declaration.name === word && one.declaration.module === declaration.module) ??
      pages.find((one) => one.name === word || one.declaration.name === word)
    const hasList = members.some(({ about }) => about !== '')
    const plain = declaration.text.replace(/^export (declare )?/, '')
    const shown = hasList ? plain.replace(/\{\n[\s\S]*$/, '{ ... }') : plain
    const isTold = !hasList || /^interface \w+ extends|^class \w+ extends|^type \w+ = \w/.test(shown)
    const list = members.map(
      (member) =>
        `<dt><code>${code(member.text.replace(/^readonly /, ''), page, pages, linkOf)}</code></dt>\n<dd>${prose(member.about)}</dd>`,
    )
    const place = `${declaration.module}.ts`
    const parts = [
      '<p class="quiet"><a href="index.html">Nightferry</a></p>',
      `<h1>${html(name)}</h1>`,
      `<p class="quiet">${declaration.kind}, <a href="${clone}/${place}#L${lineOf(source(declaration.module), declaration.name)}">${place}</a></p>`,
      prose(declaration.about),
      ...(isTold ? [`<pre><code>${code(shown, page, pages, linkOf)}</code></pre>`] : []),
      ...(hasList ? [`<h2>Members</h2>\n<dl>\n${list.join('\n')}\n</dl>`] : []),
    ]
    files.set(fileOf(page), frame(`${name} - Nightferry`, parts.join('\n')))
  }
  files.set('index.html', index(pages, head, readFileSync(join(clonePath, 'examples', 'mirror.ts'), 'utf8')))
  return files
}

function index(pages: readonly Page[], head: string, example: string): string {
  const list = (kind: string, of: readonly Page[]): string => {
    const items = of.map((page) => {
      const first = page.declaration.about.split(/(?<=\.)\s/)[0] ?? ''
      return `<li><a href="${fileOf(page)}"><code>${html(page.name)}</code></a> ${prose(first).replace(/<\/?p>/g, '')}</li>`
    })
    return of.length === 0 ? '' : `<h2>${kind}</h2>\n<ul>\n${items.join('\n')}\n</ul>`
  }
  const values = pages.filter(
    ({ isExported, declaration }) => isExported && /function|class|const/.test(declaration.kind),
  )
  const types = pages.filter((page) => page.isExported && !values.includes(page))
  const parts = [
    '<h1>Nightferry for programs</h1>',
    prose(head.replace(/\n/g, ' ')),
    list('Functions and classes', values),
    list('Types', types),
    list(
      'Mentioned by those',
      pages.filter(({ isExported }) => !isExported),
    ),
    `<h2>An example</h2>\n<pre><code>${html(example)}</code></pre>`,
  ]
  return frame('Nightferry for programs', parts.join('\n'))
}

if (import.meta.main) {
  const [types = '', out = ''] = process.argv.slice(2)
  const clonePath = dirname(import.meta.dirname)
  const files = filesOf(types, relative(out, clonePath), clonePath)
  rmSync(out, { recursive: true, force: true })
  mkdirSync(out, { recursive: true })
  for (const [name, text] of files) writeFileSync(join(out, name), text)
  console.log(`${files.size} files in ${out}; begin with ${join(out, 'index.html')}`)
}
