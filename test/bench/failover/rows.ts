// The rows of the table: what is done to the master, and how long the consequences are watched at least.

import { rmSync, writeFileSync } from 'node:fs'
import type { Router } from './side.ts'

/** The rows by name, in the order of the table. */
export const rowNames = ['power-cut', 'clean-stop', 'weighted-failure', 'kill-vrrp', 'kill-all'] as const
export type RowName = (typeof rowNames)[number]

/** The script whose failing costs priority: it fails while `flag` exists and writes down when in `failures`. */
export type Switch = { readonly command: string; readonly flag: string; readonly failures: string }

/** One row. `act` begins what is measured; `preempt` and `usesScript` say how the routers are configured. */
export type Row = {
  readonly title: string
  readonly preempt: boolean
  readonly usesScript: boolean
  /** Whether the address has to move; else it may, or the old master goes on. */
  readonly moves: boolean
  /** How long to watch at least, in milliseconds: a take-over that should not be is late. */
  readonly watchFor: (interval: number) => number
  readonly act: (master: Router, script: Switch) => Promise<void>
}

const settleMillis = 500
/** A little more than the master down interval. */
const downTime = (interval: number): number => 4.2 * interval + settleMillis
/** Past the lease of an address, when the dead host stops answering for it. */
const leaseTime = (interval: number): number => Math.max(3000, downTime(interval))

/** Each row by its name. */
export const rows: Readonly<Record<RowName, Row>> = {
  'power-cut': {
    title: 'power cut',
    preempt: false,
    usesScript: false,
    moves: true,
    watchFor: downTime,
    act: ({ host }) => host.powerCut(),
  },
  'clean-stop': {
    title: 'clean stop',
    preempt: false,
    usesScript: false,
    moves: true,
    watchFor: downTime,
    act: async ({ stop }) => stop(),
  },
  'weighted-failure': {
    title: 'tracked failure, weight -50',
    preempt: true,
    usesScript: true,
    moves: true,
    watchFor: downTime,
    act: async (_, { flag }) => writeFileSync(flag, ''),
  },
  'kill-vrrp': {
    title: 'kill -9 of the vrrp process',
    preempt: false,
    usesScript: false,
    moves: false,
    watchFor: downTime,
    act: async ({ killVrrp }) => killVrrp(),
  },
  'kill-all': {
    title: 'kill -9 of everything',
    preempt: false,
    usesScript: false,
    moves: true,
    watchFor: leaseTime,
    act: ({ host }) => host.killAll(),
  },
}

/** Writes the script for one router. Its shell forks nothing: it must not take longer than what it measures. */
export const writeSwitch = (directory: string): Switch => {
  const made = { command: `${directory}/check`, flag: `${directory}/broken`, failures: `${directory}/failures` }
  rmSync(made.flag, { force: true })
  rmSync(made.failures, { force: true })
  const lines = ['#!/bin/bash', `[ -e ${made.flag} ] || exit 0`, `echo $EPOCHREALTIME >>${made.failures}`, 'exit 1', '']
  writeFileSync(made.command, lines.join('\n'), { mode: 0o755 })
  return made
}
