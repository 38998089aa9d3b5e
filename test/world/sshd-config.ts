// The configuration of an sshd of our own: one host key, one file of keys that get in, nothing of the machine's. For tests
// and for the bench.

export type SshdPlaces = {
  readonly host: string
  readonly port: number
  readonly hostKey: string
  /** The file of keys that get in. */
  readonly allowed: string
}

/** As the text of an sshd_config; `more` are further lines. */
export function sshdConfig({ host, port, hostKey, allowed }: SshdPlaces, ...more: readonly string[]): string {
  return [
    `Port ${port}`,
    `ListenAddress ${host}`,
    `HostKey ${hostKey}`,
    `AuthorizedKeysFile ${allowed}`,
    'PasswordAuthentication no',
    'KbdInteractiveAuthentication no',
    'PermitRootLogin prohibit-password',
    'StrictModes no',
    'UsePAM no',
    'UseDNS no',
    'PidFile none',
    'PrintMotd no',
    ...more,
    '',
  ].join('\n')
}
