// The product's version and those of the packages it was built with, as package.json says them: exact ones, which the lock
// holds too.

import packageJson from '../../package.json' with { type: 'json' }

export const productVersion: string = packageJson.version

export const packageVersions: Readonly<Record<string, string>> = packageJson.dependencies
