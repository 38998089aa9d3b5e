// Two machines in one program: one serves a folder, the other pairs with it and sends. Run it: node two-machines.ts PLACE
// PLACE is a folder for their states; on real machines each has its own, and each program has one half of this.

import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { openMachine } from 'nightferry'

const [place = 'two-machines'] = process.argv.slice(2)
const at = (name: string): string => join(place, name)
for (const name of ['backup', 'letters']) mkdirSync(at(name), { recursive: true })
writeFileSync(join(at('letters'), 'first.txt'), 'Dear NAS\n')

await using nas = openMachine({ stateDirectory: at('nas') })
await using laptop = openMachine({ stateDirectory: at('laptop') })

nas.share({ name: 'backup', path: at('backup') })
const serving = await nas.serve({ host: '127.0.0.1', port: 0 })
const offer = serving.offerPairing()
const paired = await laptop.pair({ code: offer.code, host: '127.0.0.1', port: serving.port })
console.log(`paired with ${paired.name}, which knows us as ${(await offer.paired).name}`)

const first = await laptop.sync({ source: at('letters'), target: `${paired.name}:backup` })
console.log(`${first.outcome}: ${first.counts.created} created`)
const again = await laptop.sync({ source: at('letters'), target: `${paired.name}:backup` })
console.log(`${again.outcome}; ${laptop.log().length} runs so far`)
